import { type Credential, requireAccess, uploadTokenOf } from '../../core/access.ts'
import { parseDigestField } from '../../core/digest.ts'
import type { Domain } from '../../core/domain.ts'
import { Refusal } from '../../core/errors.ts'
import { essenceOf } from '../../core/media-type.ts'
import { type Metadata, parseMetadata, requireMetadata, withFixedMetadata } from '../../core/metadata.ts'
import { mostFilesPerRequest } from '../../core/policy.ts'
import { fixedMetadata, narrowDomain, type UploadToken } from '../../core/upload-token.ts'
import type { BufferPool } from '../../ingest/buffer-pool.ts'
import type { RequestBody } from '../../ingest/request-body.ts'
import { keepsOthersWaiting } from '../../ingest/store-file.ts'
import { boundaryOf } from '../../multipart/boundary.ts'
import { MultipartReader } from '../../multipart/multipart-reader.ts'
import type { Part } from '../../multipart/part.ts'
import { requireCallback, sameCallback } from './callback.ts'
import { openReception, type Repeatable } from './open-reception.ts'
import type { FileOutcome, IntakeParts, Reception } from './reception.ts'

/** Fields before the first file may take this much together while nobody knows yet whose upload it is. */
const mostLeadingBytes = 16 * 1024
const mostFieldBytes = 16 * 1024
/**
 * A part's header may stay in memory until the commit, since its filename is a piece of it; a form has up to 1,000. A
 * filename of 255 characters takes 6 KiB at most: twelve bytes each where they are percent-encoded, and said twice.
 */
const mostHeaderBytes = 8 * 1024
/** The same with everything around the fields, and what the parser may have read ahead. */
const mostBytesUnnamed = 256 * 1024

/**
 * How much of a form that nobody wants is read in the hope of a file that can be accepted: as much as of a body that has
 * been refused, so that a client with a gigabyte to send is answered long before its end.
 */
const mostUnwantedBytes = 64 * 1024 * 1024
const unwantedBufferBytes = 64 * 1024

/** A `multipart/form-data` request as the edge of the Worker understood it. */
export interface MultipartUpload {
  body: RequestBody
  /** The request's `Content-Type`, which holds the boundary. */
  contentType: string | null
  credential: Credential
  /** The domain by host, header, query or credential; null when only the form can tell. */
  domain: Domain | null
  /** Finds the domain that a form field names; throws `domain-not-found`. */
  findDomain(name: string): Promise<Domain>
  /** Judges the request by the rules of a domain that only the form names; throws what refuses it. */
  judge(domain: Domain): Promise<void>
  /** What the services need for one domain. */
  partsFor(domain: Domain): IntakeParts
  /** Who is to be told how the files end, by the header; a field can say it as well. */
  callbackUrl: string | null
  repeatable: Repeatable
}

/**
 * Receives one or many files with their fields: stores each as it arrives, and accepts them all by one commit after the
 * last byte, or when nothing but refused files and much that nobody wants has come. Throws a `Refusal` or a
 * `MultipartError` when the request is refused as a whole; nothing is kept then.
 */
export async function receiveMultipart(request: MultipartUpload): Promise<{ domain: Domain; outcomes: FileOutcome[] }> {
  return new MultipartReception(request).run()
}

class MultipartReception {
  readonly #request: MultipartUpload
  readonly #token: UploadToken | null
  #domain: Domain | null = null
  #reception: Reception | null = null
  #pool: BufferPool | null = null
  #metadata: Metadata
  /** As the client has written it; judged as soon as the domain is known. */
  #callbackText: string | null
  #callbackUrl: string | null = null
  #leadingBytes = 0
  /** How much was passed while there was nothing but refused files. */
  #unwantedBytes = 0

  constructor(request: MultipartUpload) {
    this.#request = request
    this.#token = uploadTokenOf(request.credential)
    this.#metadata = fixedMetadata(this.#token)
    this.#callbackText = request.callbackUrl
  }

  async run(): Promise<{ domain: Domain; outcomes: FileOutcome[] }> {
    const { body, contentType, domain } = this.#request
    const boundary = boundaryOf(contentType)
    body.trustLength()
    if (domain) await this.#admit(domain)
    else body.holdTo(mostBytesUnnamed, () => domainRequired(`The beginning of the form names no domain.`))
    // How many files and bytes there may be is the policy's business, and it is known later than the limits of the form.
    const reader = new MultipartReader(body, boundary, {
      // As many parts again for fields.
      parts: 2 * mostFilesPerRequest,
      files: mostFilesPerRequest + 1,
      fieldBytes: mostFieldBytes,
      headerBytes: mostHeaderBytes,
      totalBytes: Number.MAX_SAFE_INTEGER,
    })
    try {
      for (let part = await reader.next(); part !== null; part = this.#isHopeless ? null : await reader.next()) {
        if (part.filename === undefined) await this.#field(part)
        else await this.#file(part)
      }
      if (!this.#reception || !this.#domain) throw domainRequired('The form names no domain.')
      if (!this.#isHopeless) this.#judgeWhole(this.#domain, this.#reception)
      return {
        domain: this.#domain,
        outcomes: await this.#reception.commit({ metadata: this.#metadata, callbackUrl: this.#callbackUrl }),
      }
    } catch (error) {
      await this.#reception?.discard(error)
      throw error
    }
  }

  /** Whether so much was passed behind refused files that they are the answer, whatever else may come. */
  get #isHopeless(): boolean {
    return this.#unwantedBytes > mostUnwantedBytes
  }

  /** What can be judged only when all of the form is there. */
  #judgeWhole(domain: Domain, { count }: Reception): void {
    if (count === 0) throw new Refusal('no-file', 'The form has no file. Send at least one part with a filename.')
    requireMetadata(domain.policy.metadata, this.#metadata)
    this.#request.body.checkDigests()
  }

  /** Everything that can be judged before a byte of a file is read. */
  async #admit(requested: Domain): Promise<void> {
    const { body, credential, partsFor, repeatable } = this.#request
    requireAccess(credential, 'upload', requested)
    const domain = narrowDomain(requested, this.#token)
    body.limitTo(domain.policy.maxRequestBytes)
    this.#domain = domain
    this.#judgeCallback()
    const parts = partsFor(domain)
    this.#pool = parts.pool
    this.#reception = await openReception(parts, domain, credential, 'multipart', repeatable, 0)
  }

  async #field(part: Part): Promise<void> {
    if (part.name === 'domain') return this.#domainField(await part.text())
    if (part.name === 'metadata') {
      const text = await part.text()
      this.#metadata = withFixedMetadata(parseMetadata(text, 'field "metadata"'), fixedMetadata(this.#token))
      // Said now when it can be, and not after gigabytes.
      if (this.#domain) requireMetadata(this.#domain.policy.metadata, this.#metadata)
      return this.#countLeading(text.length)
    }
    if (part.name === 'callback_url') {
      const text = (await part.text()).trim()
      this.#callbackText = sameCallback(this.#callbackText, text)
      this.#judgeCallback()
      return this.#countLeading(text.length)
    }
    // A field that nobody asked for. It may be of any size once the domain has said how large a request may be.
    if (this.#domain) return this.#pass(part)
    return this.#countLeading((await part.text()).length)
  }

  #judgeCallback(): void {
    if (!this.#domain) return
    const { outboundRules } = this.#request.partsFor(this.#domain)
    this.#callbackUrl = requireCallback(this.#callbackText, this.#domain, outboundRules)
  }

  async #domainField(name: string): Promise<void> {
    const named = await this.#request.findDomain(name.trim())
    if (this.#domain && this.#domain.id !== named.id) {
      throw new Refusal(
        'domain-conflict',
        `The form field "domain" names "${named.slug}", but the request is for "${this.#domain.slug}".`,
        {
          facts: { field: named.slug, request: this.#domain.slug },
        },
      )
    }
    if (this.#domain) return
    await this.#request.judge(named)
    await this.#admit(named)
  }

  async #file(part: Part): Promise<void> {
    const reception = this.#reception
    if (!reception || !this.#domain) throw domainRequired('The form has a file before any field "domain".')
    const { body } = this.#request
    const { maxFilesPerRequest } = this.#domain.policy
    if (part.filename === '') return requireNothingChosen(part)
    if (reception.count >= maxFilesPerRequest) {
      throw new Refusal('too-many-files', `At most ${maxFilesPerRequest} files are taken here in one request.`, {
        facts: { limit: maxFilesPerRequest },
      })
    }
    const before = body.readBytes
    body.hurryWhile(() => this.#pool !== null && keepsOthersWaiting(this.#pool, body.readBytes - before))
    await reception.take(part, {
      field: part.name,
      filename: part.filename as string,
      declaredType: essenceOf(part.contentType),
      digests: parseDigestField('Content-Digest', part.headers.get('content-digest')),
      atMostBytes: body.declaredBytes,
      declaredBytes: null,
    })
    await this.#pass(part)
  }

  /** Passes what is left of a part: all of it, or as much as makes the form hopeless. */
  async #pass(part: Part): Promise<void> {
    if (!this.#reception?.isRefused) return part.skip()
    let buffer = new ArrayBuffer(unwantedBufferBytes)
    for (let done = false; !done && !this.#isHopeless; ) {
      const filled = await part.fill(buffer, 0)
      this.#unwantedBytes += filled.end
      ;({ buffer, done } = filled)
    }
  }

  #countLeading(bytes: number): void {
    this.#leadingBytes += bytes
    if (!this.#domain && this.#leadingBytes > mostLeadingBytes) {
      throw domainRequired(`The first ${mostLeadingBytes} bytes of the form name no domain.`)
    }
  }
}

function domainRequired(what: string): Refusal {
  return new Refusal(
    'domain-required',
    `${what} Send the upload to the domain's own host, or name the domain by X-Upload-Domain, ?domain= or a field before the first file.`,
  )
}

/** A browser sends an empty part without a name for a file input in which nobody chose a file. */
async function requireNothingChosen(part: Part): Promise<void> {
  const { end } = await part.fill(new ArrayBuffer(1), 0)
  if (end > 0)
    throw new Refusal('request-invalid', `The file in the field "${part.name}" has an empty filename. Give it a name.`)
}
