export interface UploadProgress {
  sentBytes: number
  totalBytes: number
}

/** A file with all that is said of it, as both ways of sending take it. */
export interface Outgoing {
  blob: Blob
  filename: string
  /** Empty: nothing is declared. */
  type: string
  metadata: Record<string, string>
  callbackUrl: string | undefined
  onProgress: (progress: UploadProgress) => void
  signal: AbortSignal | undefined
}
