import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Answer } from './connection.ts'
import type { RequestPlan } from './http-request.ts'
import type { TusPlan, TusResult } from './tus-uploads.ts'

export type Command =
  | { kind: 'stream'; requests: readonly RequestPlan[] }
  | { kind: 'tus'; plan: TusPlan }
  | { kind: 'load'; request: RequestPlan; connections: number; seconds: number }

export interface StreamResult {
  seconds: number
  answers: Answer[]
}

export interface LoadResult {
  requests: number
  seconds: number
  medianMs: number
}

/** The load, from a process of its own: what it costs is not counted, and the bench itself does not hold it up. */
export class Client {
  readonly #process: ChildProcess
  readonly #pending = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  #nextId = 1

  constructor() {
    this.#process = fork(join(import.meta.dirname, 'client-process.ts'))
    this.#process.on('message', ({ id, result, error }: { id: number; result: unknown; error?: string }) => {
      const pending = this.#pending.get(id)
      this.#pending.delete(id)
      if (error === undefined) pending?.resolve(result)
      else pending?.reject(new Error(error))
    })
    this.#process.on('exit', () => {
      for (const { reject } of this.#pending.values()) reject(new Error('The client process has ended'))
    })
  }

  /** Sends all requests at once, each on its own connection, and waits for all answers. */
  stream(requests: readonly RequestPlan[]): Promise<StreamResult> {
    return this.#run({ kind: 'stream', requests }) as Promise<StreamResult>
  }

  /** Sends one request over and over, on so many connections, for so many seconds. Throws when one is refused. */
  load(request: RequestPlan, options: { connections: number; seconds: number }): Promise<LoadResult> {
    return this.#run({ kind: 'load', request, ...options }) as Promise<LoadResult>
  }

  /** Brings uploads by tus. Throws when one is refused. */
  bringByTus(plan: TusPlan): Promise<TusResult> {
    return this.#run({ kind: 'tus', plan }) as Promise<TusResult>
  }

  stop(): void {
    this.#process.disconnect()
  }

  #run(command: Command): Promise<unknown> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#process.send({ id, command })
    })
  }
}
