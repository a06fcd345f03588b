/**
 * What this client reads of the server's answers; `/openapi.json` describes them whole. A command with `--json` prints
 * an answer as it came, whatever else stands in it.
 */

/** An RFC 9457 problem document, or what stands in for one when something else answered. */
export interface Problem {
  title: string
  status: number
  detail?: string
  code?: string
  requestId?: string
  [fact: string]: unknown
}

export interface Upload {
  id: string
  filename: string
  type: string
  size: number
  sha256: string
  status: string
  failure: Failure | null
  metadata: Record<string, string>
  createdAt: string
  /** In the answer to an upload by whoever has no key: reads this upload for a day. */
  readToken?: string
}

export interface Failure {
  code: string
  detail: string
}

export interface UploadStatus {
  id: string
  status: string
  failure: Failure | null
  steps: { name: string; status: string }[]
  attempts: number
  createdAt: string
  completedAt: string | null
}

export interface Domain {
  slug: string
  hostnames: (string | Hostname)[]
  policy: Record<string, unknown>
  jurisdiction?: string | null
  suspendedAt?: string | null
  deletedAt?: string | null
  createdAt: string
}

export interface Hostname {
  hostname: string
  status: string
  record?: { name: string; type: string; value: string } | null
}

export interface ApiKey {
  id: string
  label: string
  scopes: string[]
  createdAt: string
  expiresAt: string | null
  lastUsedAt?: string | null
}

export interface Usage {
  files: number
  bytes: number
  uploadsThisMonth: number
  quotaFiles: number | null
  quotaBytes: number | null
}
