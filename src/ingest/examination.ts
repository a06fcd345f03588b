import type { Hash } from 'node:crypto'
import { type DigestAlgorithm, type ExpectedDigests, equalBytes } from '../core/digest.ts'
import { Refusal } from '../core/errors.ts'
import { judgeType, type TextKind } from '../core/media-type.ts'
import { allowsFilename, allowsType, deniesType, type Policy } from '../core/policy.ts'
import { activeMarkup } from './active-markup.ts'
import { detectType, isRecognisable } from './detect-type.ts'
import { newHash } from './new-hash.ts'
import { TextCheck } from './text-check.ts'

/** What a file has to be, before a byte of it was seen. */
export interface Expectations {
  filename: string
  /** The client's claim, already reduced to its essence. */
  declaredType: string | null
  digests: ExpectedDigests
  policy: Policy
}

/** What a file turned out to be. */
export interface Findings {
  type: string
  /** Set when all of its bytes are text in UTF-8. */
  charset: 'utf-8' | null
  size: number
  sha256: Uint8Array
}

/**
 * Looks at every byte of one file as it passes: counts and hashes it, and holds it against the policy. Each method
 * throws the refusal as soon as it is certain.
 */
export class Examination {
  readonly #expected: Expectations
  readonly #hashes: Map<DigestAlgorithm, Hash>
  readonly #text = new TextCheck()
  #size = 0
  #detected: string | null = null
  #readableAs: readonly string[] = []

  /** Throws at once when the name alone speaks against the file. */
  constructor(expected: Expectations) {
    this.#expected = expected
    requireAllowedName(expected)
    const algorithms = new Set<DigestAlgorithm>(['sha-256', ...expected.digests.keys()])
    this.#hashes = new Map([...algorithms].map((algorithm) => [algorithm, newHash(algorithm)]))
  }

  /** The next bytes, in order. */
  pass(bytes: Uint8Array): void {
    this.#size += bytes.length
    const limit = this.#expected.policy.maxFileBytes
    if (this.#size > limit) throw fileTooLarge(this.#expected.filename, limit, this.#size)
    for (const hash of this.#hashes.values()) hash.update(bytes)
    this.#text.update(bytes)
  }

  /** Judges the type by the file's first bytes, once, when there are enough of them or the file is at its end. */
  async judgeHead(head: Uint8Array): Promise<void> {
    this.#detected = await detectType(head, this.#expected.declaredType)
    this.#readableAs = activeMarkup(head)
    this.#judgeType(this.#text.kind)
  }

  /** The last word, after the last byte: the type again (text may have ended being text) and the digests. */
  finish(): Findings {
    const text = this.#text.finish()
    const type = this.#judgeType(text)
    const digests = new Map([...this.#hashes].map(([algorithm, hash]) => [algorithm, new Uint8Array(hash.digest())]))
    for (const [algorithm, expected] of this.#expected.digests) {
      if (!equalBytes(expected, digests.get(algorithm) as Uint8Array)) {
        throw new Refusal(
          'digest-mismatch',
          `The bytes of "${this.#expected.filename}" are not those that its ${algorithm} digest promises.`,
          {
            facts: { filename: this.#expected.filename, algorithm },
          },
        )
      }
    }
    return {
      type,
      charset: text === 'utf-8' ? text : null,
      size: this.#size,
      sha256: digests.get('sha-256') as Uint8Array,
    }
  }

  #judgeType(text: TextKind): string {
    return judgeBytes(this.#expected, {
      detected: this.#detected,
      readableAs: this.#readableAs,
      text,
      isEmpty: this.#size === 0,
    })
  }
}

/** What the bytes of a file have shown so far. */
export interface SeenBytes {
  /** The type that its first bytes show; null when they show none. */
  detected: string | null
  /** As what active markup they may be read. */
  readableAs: readonly string[]
  text: TextKind
  isEmpty: boolean
}

/** The type of a file by its bytes. Throws when they contradict what was declared, or are not what the policy takes. */
export function judgeBytes(
  { filename, declaredType: declared, policy }: Omit<Expectations, 'digests'>,
  seen: SeenBytes,
): string {
  const verdict = judgeType({ declared, ...seen, isRecognisable })
  if (!verdict.ok) {
    throw new Refusal(
      'type-contradicted',
      `"${filename}" was sent as ${declared}, but its bytes are ${verdict.detected}.`,
      { facts: { filename, declaredType: declared, detectedType: verdict.detected } },
    )
  }
  if (!allowsType(policy, { ...verdict, readableAs: seen.readableAs })) {
    const detectedType = seen.readableAs.find((type) => deniesType(policy, type)) ?? verdict.type
    throw new Refusal('type-not-allowed', `"${filename}" is ${detectedType}, which is not taken here.`, {
      facts: {
        filename,
        detectedType,
        allowedTypes: policy.withinTypes ?? policy.allowedTypes,
        deniedTypes: policy.deniedTypes,
      },
    })
  }
  return verdict.type
}

/** Throws `extension-not-allowed` when the name alone speaks against a file. */
export function requireAllowedName({ filename, policy }: Pick<Expectations, 'filename' | 'policy'>): void {
  if (allowsFilename(policy, filename)) return
  throw new Refusal('extension-not-allowed', `This domain takes no file with the extension of "${filename}".`, {
    facts: { filename, allowedExtensions: policy.allowedExtensions },
  })
}

/** Also the answer to a length that was declared too large before any byte came. */
export function fileTooLarge(filename: string, limit: number, value: number): Refusal {
  return new Refusal('file-too-large', `"${filename}" is larger than the ${limit} bytes taken here for one file.`, {
    facts: { filename, limit, value },
  })
}
