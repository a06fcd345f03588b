import { signal } from '@preact/signals'

/** What is noted on every file that is added from now on, by domain: pairs of a key and a value. */
const noted = signal<ReadonlyMap<string, readonly MetadataEntry[]>>(new Map())

export interface MetadataEntry {
  key: string
  value: string
}

/** What tus itself says of a file; no key of a file's own notes. */
const reserved = ['filename', 'filetype', 'domain']

export function metadataEntries(domain: string): readonly MetadataEntry[] {
  return noted.value.get(domain) ?? []
}

export function setMetadataEntries(domain: string, entries: readonly MetadataEntry[]): void {
  noted.value = new Map(noted.peek()).set(domain, entries)
}

/** The notes as they are sent: those that have a key and a value. */
export function metadataFor(domain: string): Record<string, string> {
  const entries = metadataEntries(domain).map(({ key, value }) => [key.trim(), value] as const)
  return Object.fromEntries(entries.filter(([key, value]) => key !== '' && value !== '' && !reserved.includes(key)))
}
