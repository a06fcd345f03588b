// Made from the schemas of the server by `npm run types:client`. Change those.

export type ErrorCode =
  | 'request-invalid'
  | 'multipart-malformed'
  | 'multipart-limit'
  | 'body-incomplete'
  | 'body-timeout'
  | 'no-file'
  | 'domain-required'
  | 'domain-not-found'
  | 'domain-conflict'
  | 'domain-exists'
  | 'domain-deleted'
  | 'domain-suspended'
  | 'hostname-taken'
  | 'hostname-not-found'
  | 'hostname-unverified'
  | 'limit-reached'
  | 'policy-too-wide'
  | 'credential-required'
  | 'credential-invalid'
  | 'forbidden'
  | 'token-used-up'
  | 'origin-not-allowed'
  | 'signature-invalid'
  | 'route-not-found'
  | 'method-not-allowed'
  | 'key-not-found'
  | 'webhook-not-found'
  | 'webhook-disabled'
  | 'delivery-not-found'
  | 'url-not-allowed'
  | 'callback-not-allowed'
  | 'upload-not-found'
  | 'variant-not-found'
  | 'upload-deleted'
  | 'not-ready'
  | 'offset-mismatch'
  | 'append-superseded'
  | 'upload-length-inconsistent'
  | 'upload-completed'
  | 'tus-version-unsupported'
  | 'checksum-mismatch'
  | 'status-conflict'
  | 'file-too-large'
  | 'request-too-large'
  | 'too-many-files'
  | 'quota-exceeded'
  | 'type-not-allowed'
  | 'type-contradicted'
  | 'extension-not-allowed'
  | 'content-type-unsupported'
  | 'metadata-invalid'
  | 'idempotency-key-invalid'
  | 'idempotency-in-progress'
  | 'idempotency-mismatch'
  | 'dead-letter-not-found'
  | 'digest-invalid'
  | 'digest-mismatch'
  | 'range-not-satisfiable'
  | 'precondition-failed'
  | 'rate-limited'
  | 'too-many-watchers'
  | 'busy'
  | 'unavailable'
  | 'misconfigured'
  | 'internal'

export type FileStatus = 'uploading' | 'pending' | 'processing' | 'complete' | 'failed' | 'quarantined' | 'deleted'

export interface Problem {
  /** A URN that names the code. */
  type: string
  title: string
  status: number
  code: ErrorCode
  /** What was wrong, where, and what to do. */
  detail: string
  requestId: string
  [name: string]: unknown
}

export interface Step {
  name: string
  /** `refused`: it has found the file no good, and `result` says why. */
  status: 'waiting' | 'running' | 'complete' | 'refused'
  /** 0 to 1, where the step tells. */
  progress: number | null
  attempt: number | null
  durationMs: number | null
  /** What the step found. */
  result: {
    [name: string]: unknown
  } | null
}

export interface Variant {
  name: string
  /** Its media type. */
  type: string
  /** Bytes. */
  size: number
  /** Pixels, of a picture. */
  width: number | null
  height: number | null
  url: string
}

export interface Upload {
  id: string
  /** The slug of the domain. */
  domain: string
  filename: string
  /** The media type that the bytes show. */
  type: string
  /** The media type that the client declared. */
  declaredType: string | null
  /** Bytes. */
  size: number
  /** Hexadecimal; empty while the file is uploading. */
  sha256: string
  status: FileStatus
  /** Why processing failed, or null. */
  failure: {
    code: string
    detail: string
  } | null
  metadata: {
    [name: string]: string
  }
  protocol: 'multipart' | 'raw' | 'tus' | 'resumable'
  /** The pass through processing; reprocessing starts the next. */
  generation: number
  attempts: number
  /** The number of the newest event of this file. */
  lastEvent: number
  createdAt: string
  updatedAt: string
  completedAt: string | null
  links: {
    self: string
    status: string
    content: string
  }
}

export interface AcceptedUpload {
  id: string
  /** The slug of the domain. */
  domain: string
  filename: string
  /** The media type that the bytes show. */
  type: string
  /** The media type that the client declared. */
  declaredType: string | null
  /** Bytes. */
  size: number
  /** Hexadecimal; empty while the file is uploading. */
  sha256: string
  status: FileStatus
  /** Why processing failed, or null. */
  failure: {
    code: string
    detail: string
  } | null
  metadata: {
    [name: string]: string
  }
  protocol: 'multipart' | 'raw' | 'tus' | 'resumable'
  /** The pass through processing; reprocessing starts the next. */
  generation: number
  attempts: number
  /** The number of the newest event of this file. */
  lastEvent: number
  createdAt: string
  updatedAt: string
  completedAt: string | null
  links: {
    self: string
    status: string
    content: string
  }
  /** Reads this upload for 24 hours. For anonymous clients and upload tokens, where the deployment signs tokens. */
  readToken?: string
}

export interface UploadDetail {
  id: string
  /** The slug of the domain. */
  domain: string
  filename: string
  /** The media type that the bytes show. */
  type: string
  /** The media type that the client declared. */
  declaredType: string | null
  /** Bytes. */
  size: number
  /** Hexadecimal; empty while the file is uploading. */
  sha256: string
  status: FileStatus
  /** Why processing failed, or null. */
  failure: {
    code: string
    detail: string
  } | null
  metadata: {
    [name: string]: string
  }
  protocol: 'multipart' | 'raw' | 'tus' | 'resumable'
  /** The pass through processing; reprocessing starts the next. */
  generation: number
  attempts: number
  /** The number of the newest event of this file. */
  lastEvent: number
  createdAt: string
  updatedAt: string
  completedAt: string | null
  links: {
    self: string
    status: string
    content: string
  }
  steps: Step[]
  /** What the steps have made of the file; empty while it is not served. */
  variants: Variant[]
}

export interface UploadStatus {
  id: string
  status: FileStatus
  /** Why processing failed, or null. */
  failure: {
    code: string
    detail: string
  } | null
  steps: {
    name: string
    /** `refused`: it has found the file no good, and `result` says why. */
    status: 'waiting' | 'running' | 'complete' | 'refused'
    /** 0 to 1, where the step tells. */
    progress: number | null
  }[]
  generation: number
  attempts: number
  lastEvent: number
  /** How much of a resumable upload has come in, while it is uploading. */
  received: {
    bytes: number
    /** Null until the client has said it. */
    ofBytes: number | null
    percent: number | null
  } | null
  createdAt: string
  updatedAt: string
  completedAt: string | null
}

export interface HistoryEvent {
  /** Counts the events of this upload from 1, without gaps. */
  number: number
  type:
    | 'upload.uploading'
    | 'upload.pending'
    | 'upload.processing'
    | 'upload.complete'
    | 'upload.failed'
    | 'upload.quarantined'
    | 'upload.deleted'
  /** The status that the upload has reached. */
  status: FileStatus
  generation: number
  /** Why processing failed, or null. */
  failure: {
    code: string
    detail: string
  } | null
  at: string
}

export interface StreamedEvent {
  /** Counts the events of this upload from 1, without gaps. */
  number: number
  type:
    | 'upload.uploading'
    | 'upload.pending'
    | 'upload.processing'
    | 'upload.complete'
    | 'upload.failed'
    | 'upload.quarantined'
    | 'upload.deleted'
  /** The status that the upload has reached. */
  status: FileStatus
  generation: number
  /** Why processing failed, or null. */
  failure: {
    code: string
    detail: string
  } | null
  at: string
  /** The upload’s. */
  id: string
}

export interface StreamedProgress {
  /** The upload’s. */
  id: string
  /** How much has arrived of what is still being sent. */
  receivedBytes?: number
  /** The step at work. */
  step?: string
  /** 0 to 1; null where nobody can tell. */
  progress: number | null
}

export interface StreamedReset {
  /** Too many were missed, or the last one known belonged to an upload whose history is over. */
  reason: 'too-far-behind' | 'forgotten'
}

export interface ToldUpload {
  id: string
  /** The slug of the domain. */
  domain: string
  filename: string
  /** The media type that the bytes show. */
  type: string
  /** The media type that the client declared. */
  declaredType: string | null
  /** Bytes. */
  size: number
  /** Hexadecimal; empty while the file is uploading. */
  sha256: string
  status: FileStatus
  /** Why processing failed, or null. */
  failure: {
    code: string
    detail: string
  } | null
  metadata: {
    [name: string]: string
  }
  protocol: 'multipart' | 'raw' | 'tus' | 'resumable'
  /** The pass through processing; reprocessing starts the next. */
  generation: number
  attempts: number
  /** The number of the newest event of this file. */
  lastEvent: number
  createdAt: string
  updatedAt: string
  completedAt: string | null
  steps: Step[]
}

export interface UploadMessage {
  type:
    | 'upload.pending'
    | 'upload.processing'
    | 'upload.complete'
    | 'upload.failed'
    | 'upload.quarantined'
    | 'upload.deleted'
  /** When it happened. */
  timestamp: string
  data: {
    /** The upload’s. */
    id: string
    /** Counts the events of this upload from 1, without gaps. */
    number: number
    generation: number
    /** The slug of the domain. */
    domain: string
    upload: ToldUpload
  }
}

export interface EndpointDisabledMessage {
  type: 'webhook.disabled'
  /** When it happened. */
  timestamp: string
  data: {
    /** The slug of the domain. */
    domain: string
    /** The endpoint that was disabled, which is another one. */
    endpointId: string
    url: string
    reason: 'gone' | 'failing'
  }
}

export interface TestMessage {
  type: 'webhook.test'
  /** When it was asked for. */
  timestamp: string
  data: {
    /** The slug of the domain. */
    domain: string
    endpointId: string
  }
}

export type WebhookMessage = UploadMessage | EndpointDisabledMessage | TestMessage

export interface UploadToken {
  token: string
  expiresAt: string
}

export interface DownloadLink {
  url: string
  expiresAt: string
}

export interface UploadTokenRequest {
  /** The largest file, in bytes. */
  maxFileBytes?: number
  /** Media types that it may bring, such as `image/*`: a narrowing of the policy’s `allowedTypes`. */
  types?: string[]
  /** The most files in one request. */
  maxFiles?: number
  /** Goes to every file. A client that sends another value for one of these keys is refused. */
  metadata?: {
    [name: string]: string
  }
  /** How many files may be accepted in all, over all requests; null is no limit. */
  uses?: number | null
  /** How long it is good, in seconds. */
  expiresInSeconds?: number
}

export interface DownloadLinkRequest {
  /** How long it is good, in seconds. */
  expiresInSeconds?: number
  /** The name to save the content under. With one, it is never shown in place. */
  filename?: string
}
