import { call } from '../../api.ts'
import { Button } from '../../parts/button.tsx'
import { useLoaded } from '../../parts/use-loaded.ts'
import { mayDo } from '../../session.ts'
import { type MetadataEntry, metadataEntries, setMetadataEntries } from '../../uploads/metadata.ts'

interface DomainWithRules {
  policy: { metadata: Record<string, { required: boolean }> }
}

/** What is to be noted on the files that are added next. Keys that the domain's policy asks for are there already. */
export function UploadMetadata({ domain }: { domain: string }) {
  const { value: wanted = [] } = useLoaded((signal) => wantedKeys(domain, signal), [domain])
  const entries = metadataEntries(domain)
  const missing = wanted.filter((key) => !entries.some((entry) => entry.key === key))
  const shown = [...missing.map((key) => ({ key, value: '' })), ...entries]
  const change = (index: number, changed: Partial<MetadataEntry>) =>
    setMetadataEntries(
      domain,
      shown.map((entry, at) => (at === index ? { ...entry, ...changed } : entry)),
    )
  return (
    <details class="upload-metadata" open={wanted.length > 0}>
      <summary>Metadata for the next files</summary>
      <div class="stack tight">
        {shown.map(({ key, value }, index) => (
          <div key={index} class="upload-metadata-entry">
            <input
              class="input"
              aria-label={`Key ${index + 1}`}
              placeholder="Key"
              value={key}
              readOnly={wanted.includes(key)}
              onInput={(event) => change(index, { key: event.currentTarget.value })}
            />
            <input
              class="input"
              aria-label={`Value ${index + 1}`}
              placeholder="Value"
              value={value}
              onInput={(event) => change(index, { value: event.currentTarget.value })}
            />
          </div>
        ))}
        <div>
          <Button compact onClick={() => setMetadataEntries(domain, [...shown, { key: '', value: '' }])}>
            Add a key
          </Button>
        </div>
      </div>
    </details>
  )
}

/** The keys without which no file is taken, for who may read the policy. */
async function wantedKeys(domain: string, signal: AbortSignal): Promise<string[]> {
  if (!mayDo('manage')) return []
  const { policy } = await call<DomainWithRules>('GET', `/v1/domains/${encodeURIComponent(domain)}`, { signal })
  return Object.entries(policy.metadata)
    .filter(([, { required }]) => required)
    .map(([key]) => key)
}
