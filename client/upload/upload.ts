import type { Transport } from '../transport.ts'
import type { AcceptedUpload } from '../types.ts'
import type { Outgoing, UploadProgress } from './outgoing.ts'
import { sendWhole } from './send-whole.ts'

/** The bytes of a file. In Node, `fs.openAsBlob(path)` makes a Blob of a file without reading it. */
export type FileContent = Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer> | string

export interface UploadOptions {
  /** The name of the file; that of a `File` unless given. */
  filename?: string | undefined
  /** The media type to declare; that of a `Blob` unless given. The server judges by the bytes. */
  type?: string | undefined
  /** The client's own notes on the file, at most 2 KB as JSON. */
  metadata?: Record<string, string> | undefined
  /** Told once how the file ends, where the domain's policy has its host. */
  callbackUrl?: string | undefined
  /**
   * Told how much has been sent. It goes back when bytes were lost on the way. A browser tells it steadily; elsewhere
   * it is told at the beginning, after each append of a resumable upload, and at the end.
   */
  onProgress?: ((progress: UploadProgress) => void) | undefined
  /** Gives the upload up: nothing of it is left on the server, unless that has taken it whole by then. */
  signal?: AbortSignal | undefined
  /** A larger file is sent by tus, which goes on where it was when the connection breaks. 10 MiB unless given. */
  resumableAboveBytes?: number | undefined
  /** Of a file that is sent in one request: another call with the same key gets the first one's answer. */
  idempotencyKey?: string | undefined
}

const defaultResumableAboveBytes = 10 * 1024 * 1024

/** Sends a file in the way that its size asks for, and gives it as the server took it. */
export async function upload(
  transport: Transport,
  content: FileContent,
  { resumableAboveBytes = defaultResumableAboveBytes, idempotencyKey, ...options }: UploadOptions,
): Promise<AcceptedUpload> {
  options.signal?.throwIfAborted()
  const blob = content instanceof Blob ? content : new Blob([content])
  const file: Outgoing = {
    blob,
    filename: options.filename ?? (content instanceof File ? content.name : ''),
    type: options.type ?? blob.type,
    metadata: options.metadata ?? {},
    callbackUrl: options.callbackUrl,
    onProgress: onChange(options.onProgress),
    signal: options.signal,
  }
  if (blob.size <= resumableAboveBytes) return sendWhole(transport, file, idempotencyKey)
  const { sendByTus } = await import('./send-by-tus.ts')
  return sendByTus(transport, file)
}

/** The ways of sending tell some numbers twice. */
function onChange(onProgress: UploadOptions['onProgress']): Outgoing['onProgress'] {
  let told: number | undefined
  return (progress) => {
    if (progress.sentBytes === told) return
    told = progress.sentBytes
    onProgress?.(progress)
  }
}
