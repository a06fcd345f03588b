import type { MalwareScanner, ScanAnswer, ScannerVersion } from '../core/ports.ts'
import type { SocketAddress } from '../core/socket-address.ts'
import { readVerdict, readVersion, type Verdict } from './answers.ts'
import { Conversation } from './conversation.ts'

/** The bytes of one chunk of `INSTREAM`. */
const chunkBytes = 256 * 1024
/** Each chunk has its length before it: four bytes, the highest first. A length of zero ends the stream. */
const lengthBytes = 4

/** To ask for the version may take this long. */
const versionTimeoutMs = 10_000

const encoder = new TextEncoder()

type Terms = Parameters<MalwareScanner['scan']>[1]

/** ClamAV's daemon over TCP, by its commands `INSTREAM` and `VERSION`. */
export class ClamdScanner implements MalwareScanner {
  readonly #address: SocketAddress
  readonly #timeoutMs: number

  /** A scan may take `timeoutMs` from its first byte to its verdict. */
  constructor(address: SocketAddress, timeoutMs: number) {
    this.#address = address
    this.#timeoutMs = timeoutMs
  }

  async scan(bytes: ReadableStream<Uint8Array>, terms: Terms): Promise<ScanAnswer> {
    const stop = AbortSignal.any([terms.signal, AbortSignal.timeout(this.#timeoutMs)])
    const verdict = await this.#judge(bytes, terms, stop)
    if (verdict.kind === 'clean') return { kind: 'clean', version: await this.#version(terms.signal) }
    return verdict.kind === 'unclear' && stop.aborted ? { kind: 'unclear', reason: String(stop.reason) } : verdict
  }

  async #judge(bytes: ReadableStream<Uint8Array>, { size, progress }: Terms, stop: AbortSignal): Promise<Verdict> {
    const conversation = new Conversation(this.#address, stop)
    try {
      await conversation.send(encoder.encode('zINSTREAM\0'))
      const sent = await sendChunks(conversation, bytes, progress)
      // A stream that breaks may look like one that ends, and nobody would have looked at what is missing.
      if (sent !== size) {
        conversation.close()
        return { kind: 'unclear', reason: `${sent} of ${size} bytes could be read` }
      }
      // What has been said by now was said too early. A turn of the event loop lets it be heard before the end is sent.
      await scheduler.wait(1)
      conversation.finish(new Uint8Array(lengthBytes))
    } catch (error) {
      return beforeTheEnd(readVerdict(await conversation.said), error)
    } finally {
      await bytes.cancel().catch(() => {})
    }
    return readVerdict(await conversation.said)
  }

  /** Null where the daemon does not tell: its operator can forbid that. */
  async #version(signal: AbortSignal): Promise<ScannerVersion | null> {
    const stop = AbortSignal.any([signal, AbortSignal.timeout(versionTimeoutMs)])
    const conversation = new Conversation(this.#address, stop)
    conversation.finish(encoder.encode('zVERSION\0'))
    return readVersion(await conversation.said)
  }
}

/** What a verdict is worth of one who has not seen everything: a finding counts, and so does his reason, but not his OK. */
function beforeTheEnd(verdict: Verdict, error: unknown): Verdict {
  return verdict.kind === 'clean' ? { kind: 'unclear', reason: `clamd said OK before the end: ${error}` } : verdict
}

/** Sends a stream in chunks, through one buffer. Returns how many bytes there were until it ended or broke. */
async function sendChunks(
  conversation: Conversation,
  bytes: ReadableStream<Uint8Array>,
  progress: (sentBytes: number) => void,
): Promise<number> {
  const reader = bytes.getReader({ mode: 'byob' })
  let memory = new ArrayBuffer(lengthBytes + chunkBytes)
  let sent = 0
  try {
    for (;;) {
      const read = await reader.read(new Uint8Array(memory, lengthBytes)).catch(() => null)
      if (!read?.value || read.done) return sent
      const { buffer, byteLength } = read.value
      memory = buffer as ArrayBuffer
      new DataView(memory).setUint32(0, byteLength)
      await conversation.send(new Uint8Array(memory, 0, lengthBytes + byteLength))
      sent += byteLength
      progress(sent)
    }
  } finally {
    reader.releaseLock()
  }
}
