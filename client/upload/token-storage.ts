import { defaultOptions, type UploadOptions } from 'tus-js-client'

type UrlStorage = NonNullable<UploadOptions['urlStorage']>
type KeptUpload = Parameters<UrlStorage['addUpload']>[1] & { readToken?: string | undefined }

/**
 * Where a page keeps the address of an upload until it is done, with its read token: a page that is loaded anew may find
 * the file whole already, and the server gives that token to who sends the file's bytes only.
 */
export class TokenStorage implements UrlStorage {
  /** Of the upload that is being sent; undefined until the server has given one. */
  readToken: string | undefined
  readonly #kept: UrlStorage = defaultOptions.urlStorage

  /** Goes on with an upload that was found here. */
  take({ readToken }: KeptUpload): void {
    this.readToken = readToken
  }

  findAllUploads() {
    return this.#kept.findAllUploads()
  }

  findUploadsByFingerprint(fingerprint: string) {
    return this.#kept.findUploadsByFingerprint(fingerprint)
  }

  removeUpload(urlStorageKey: string) {
    return this.#kept.removeUpload(urlStorageKey)
  }

  addUpload(fingerprint: string, upload: KeptUpload) {
    const kept: KeptUpload = { ...upload, readToken: this.readToken }
    return this.#kept.addUpload(fingerprint, kept)
  }
}
