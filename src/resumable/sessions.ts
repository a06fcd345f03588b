import type { Journal } from '../core/ports.ts'
import type { Protocol } from '../core/uploaded-file.ts'
import { appendHeader, fromOutcome, type Outcome, type SentAppend } from './outcome.ts'
import type { Append, EndedStage, Opening, SessionDomain, SessionView } from './session.ts'
import { orTrouble } from './trouble.ts'

/**
 * The upload sessions of a deployment, as the Worker reaches them. Every method throws `Unavailable` when the platform is
 * at fault.
 */
export class Sessions {
  readonly #objects: Cloudflare.Env['UPLOAD_SESSIONS']
  readonly #keepsPlaces: boolean
  readonly #journal: Pick<Journal, 'caller'>

  /** `keepsPlaces`: whether the platform can keep an object in a jurisdiction, which it can't on a developer's machine. */
  constructor(
    objects: Cloudflare.Env['UPLOAD_SESSIONS'],
    { keepsPlaces, journal }: { keepsPlaces: boolean; journal: Pick<Journal, 'caller'> },
  ) {
    this.#objects = objects
    this.#keepsPlaces = keepsPlaces
    this.#journal = journal
  }

  /** Begins an upload. Throws why the domain may not have it. */
  async open(domain: SessionDomain, opening: Opening): Promise<SessionView> {
    return outcomeOf(this.#of(domain, opening.id).open(opening, this.#journal.caller()))
  }

  /**
   * Hands the body of a request to its session, and waits until it is dealt with. Null: there is no such session. Throws
   * the refusal of the append, or of the upload; `upload-not-found` where the upload comes by another protocol.
   */
  async append(
    domain: SessionDomain,
    id: string,
    append: Omit<Append, 'domainId'>,
    body: ReadableStream<Uint8Array> | null,
  ): Promise<SessionView | null> {
    const sent: SentAppend = { append: { ...append, domainId: domain.id }, caller: this.#journal.caller() }
    const headers = { [appendHeader]: JSON.stringify(sent) }
    const answer = await orTrouble(this.#of(domain, id).fetch('https://session/', { method: 'POST', headers, body }))
    return outcomeOf(answer.json<Outcome<SessionView | null>>())
  }

  /** Where an upload stands, without disturbing an append that runs; null: there is no such session. */
  async view(domain: SessionDomain, id: string): Promise<SessionView | null> {
    return orTrouble(this.#of(domain, id).view(domain.id))
  }

  /**
   * Ends what runs, keeps what it brought, and says where the next append must go on; null: there is no such session.
   * Throws `upload-not-found`, and disturbs nothing, where the upload comes by another protocol.
   */
  async settle(domain: SessionDomain, id: string, protocol: Protocol): Promise<SessionView | null> {
    return outcomeOf(this.#of(domain, id).settle(domain.id, protocol, this.#journal.caller()))
  }

  /** Lets an upload live until this time at least, in milliseconds since 1970. Returns whether there is such a session. */
  async keepUntil(domain: SessionDomain, id: string, time: number): Promise<boolean> {
    return outcomeOf(this.#of(domain, id).keepUntil(domain.id, time, this.#journal.caller()))
  }

  /**
   * Gives an upload up, and everything that it holds; a committed file stays. Returns what there was; null: there was no
   * such session. With a protocol, throws `upload-not-found` where the upload comes by another.
   */
  async end(domain: SessionDomain, id: string, protocol?: Protocol): Promise<EndedStage | null> {
    return outcomeOf(this.#of(domain, id).end(domain.id, protocol ?? null, this.#journal.caller()))
  }

  #of({ jurisdiction }: SessionDomain, id: string) {
    const isKept = this.#keepsPlaces && jurisdiction !== null
    return (isKept ? this.#objects.jurisdiction(jurisdiction) : this.#objects).getByName(id)
  }
}

/** What a session has answered, or refused. */
async function outcomeOf<Value>(answer: Promise<Outcome<Value>>): Promise<Value> {
  return fromOutcome(await orTrouble(answer))
}
