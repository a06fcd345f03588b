export { ConnectionError, StevedoreError, UnexpectedAnswer, UploadUnreadable } from './errors.ts'
export type { ListOptions, Page } from './list.ts'
export {
  type CallOptions,
  type ClientOptions,
  type DownloadOptions,
  StevedoreClient,
  type UploadReference,
  type WaitOptions,
} from './stevedore-client.ts'
export type * from './types.ts'
export type { UploadProgress } from './upload/outgoing.ts'
export type { FileContent, UploadOptions } from './upload/upload.ts'
export type { WatchAllOptions, WatchedEvent, WatchOptions } from './watch.ts'
export { type VerifyOptions, verifyWebhook, type WebhookRequest, WebhookVerificationError } from './webhook.ts'
