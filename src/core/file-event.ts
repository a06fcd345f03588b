import type { FileStatus } from './status.ts'

/** One fact about a file: it has reached a status. Times are milliseconds since 1970. */
export interface FileEvent {
  /** Orders the events of all files of a database; never shown, but inside of cursors. */
  readonly seq: number
  readonly fileId: string
  /** Counts the events of its file from 1, without gaps. */
  readonly number: number
  readonly status: FileStatus
  readonly generation: number
  /** Why processing failed, or why another attempt follows. */
  readonly failure: { readonly code: string; readonly detail: string } | null
  readonly at: number
}

/** How far a file is between two events. */
export interface Progress {
  readonly fileId: string
  /** Of a file that is still being sent: how many bytes of it have arrived. */
  readonly receivedBytes?: number
  /** Of a file that is being processed: the step at work. */
  readonly step?: string
  /** 0 … 1; null where nobody can tell. */
  readonly progress: number | null
}

/** The name of an event as clients see it, such as `upload.complete`. */
export function eventTypeOf(status: FileStatus): `upload.${FileStatus}` {
  return `upload.${status}`
}

/** An event as clients see it. */
export function describeEvent({ number, status, generation, failure, at }: FileEvent) {
  return { number, type: eventTypeOf(status), status, generation, failure, at: new Date(at).toISOString() }
}
