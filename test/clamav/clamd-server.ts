import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const binary = process.env.CLAMD ?? 'clamd'

/** Why there is no ClamAV to test with and how to get it, or undefined when there is one. */
export const clamdMissing =
  spawnSync(binary, ['--version']).error === undefined
    ? undefined
    : `there is no ${binary} (Debian: apt-get install clamav-daemon; or set CLAMD to its path)`

/** A real clamd on loopback, with signatures of its own, in a folder of its own. */
export class ClamdServer {
  readonly port: number
  readonly #folder: string
  #process: ChildProcess | undefined
  #dying: Promise<unknown> = Promise.resolve()

  private constructor(port: number, folder: string) {
    this.port = port
    this.#folder = folder
  }

  /** `signatures` are the files of its database, by their names; `settings` lines of clamd.conf. */
  static async start(signatures: Record<string, string>, settings: string[]): Promise<ClamdServer> {
    const folder = await mkdtemp(join(tmpdir(), 'stevedore-clamd-'))
    const port = await freePort()
    await mkdir(join(folder, 'db'))
    for (const [name, text] of Object.entries(signatures)) await writeFile(join(folder, 'db', name), text)
    const common = [`TCPSocket ${port}`, 'TCPAddr 127.0.0.1', `DatabaseDirectory ${folder}/db`, 'Foreground yes']
    const lines = [...common, `TemporaryDirectory ${folder}`, ...settings]
    await writeFile(join(folder, 'clamd.conf'), `${lines.join('\n')}\n`)
    const server = new ClamdServer(port, folder)
    await server.run()
    return server
  }

  /** Starts it again when it was killed. */
  async run(): Promise<void> {
    await this.#dying
    if (this.#process) return
    const child = spawn(binary, ['-c', join(this.#folder, 'clamd.conf')], { stdio: 'ignore' })
    const killChild = () => child.kill('SIGKILL')
    process.once('exit', killChild)
    child.once('exit', () => process.off('exit', killChild))
    this.#process = child
    for (const deadline = Date.now() + 20_000; ; await sleep(20)) {
      if ((await ask(this.port, 'zPING\0').catch(() => '')) === 'PONG\0') return
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`clamd did not start (${child.exitCode})`)
    }
  }

  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    this.#dying = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await this.#dying
  }

  async stop(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

function ask(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(command))
    socket.on('data', (data) => {
      answer += data.toString('latin1')
    })
    socket.once('error', reject)
    socket.once('close', () => resolve(answer))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
