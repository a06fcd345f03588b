import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { formatBytes, renderTable } from '../../cli/table.ts'
import { Failure } from '../../scripts/failure.ts'
import { callLocal, describeAnswer } from '../../scripts/http-client.ts'
import { startLocalServer } from '../../scripts/local-server.ts'
import { dataFolder, requireFittingState } from '../../scripts/local-state.ts'
import { makeSha256Wasm } from '../../scripts/make-sha256-wasm.ts'
import { findFreePort, parsePort, requireFreePort } from '../../scripts/ports.ts'
import { startProcessGroup } from '../../scripts/process-group.ts'

const workspace = mkdtempSync(join(tmpdir(), 'stevedore-scripts-'))
afterAll(() => rmSync(workspace, { recursive: true, force: true }))

test('the WebAssembly of SHA-256 in the repository is what its script makes', () => {
  const kept = readFileSync(join(import.meta.dirname, '../../src/ingest/sha256.wasm'))
  expect(Buffer.compare(kept, makeSha256Wasm())).toBe(0)
})

describe('npm test', () => {
  /** Runs the test script on a project that holds these files only. */
  function runTests(
    files: Record<string, string>,
    env: Record<string, string> = {},
  ): SpawnSyncReturns<string> & { lastLine: string | undefined } {
    const folder = mkdtempSync(join(workspace, 'project-'))
    writeFileSync(join(folder, 'vitest.config.mjs'), 'export default { test: { globals: true } }')
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    const args = ['scripts/test.ts', '--root', folder, '--config', join(folder, 'vitest.config.mjs')]
    const run = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, ...env } })
    return { ...run, lastLine: run.stdout.trimEnd().split('\n').at(-1) }
  }

  const passing = "test('one', () => {}); test('two', () => {})"

  test('counts what passed and was skipped', () => {
    const run = runTests({ 'a.test.js': `${passing}; test.skip('three', () => {}); test.todo('four')` })
    expect(run).toMatchObject({ lastLine: '2 passed, 0 failed, 2 skipped', status: 0 })
  })

  test('fails when a test failed', () => {
    const run = runTests({ 'a.test.js': passing, 'b.test.js': "test('three', () => expect(1).toBe(2))" })
    expect(run).toMatchObject({ lastLine: '2 passed, 1 failed', status: 1 })
  })

  test('counts a file that cannot be loaded as a failure', () => {
    const run = runTests({ 'a.test.js': passing, 'b.test.js': "throw new Error('at import')" })
    expect(run).toMatchObject({ lastLine: '2 passed, 1 failed', status: 1 })
  })

  test('fails when a hook failed after every test had passed', () => {
    const run = runTests({ 'a.test.js': `${passing}; afterAll(() => { throw new Error('late') })` })
    expect(run).toMatchObject({ lastLine: '2 passed, 1 failed', status: 1 })
  })

  test('fails when an error was caught by no test', () => {
    const run = runTests({ 'a.test.js': `${passing}; Promise.reject(new Error('nobody waits for this'))` })
    expect(run).toMatchObject({ lastLine: '2 passed, 1 failed', status: 1 })
  })

  test('fails when no test ran', () => {
    const run = runTests({ 'a.test.js': "test.skip('one', () => {})" })
    expect(run).toMatchObject({ lastLine: '0 passed, 0 failed, 1 skipped', status: 1 })
    expect(run.stderr).toContain('No test ran.')
    expect(runTests({})).toMatchObject({ lastLine: '0 passed, 0 failed', status: 1 })
  })

  test('says so when the runner left no report', () => {
    const run = runTests({ 'a.test.js': passing, 'vitest.config.mjs': "throw new Error('no configuration')" })
    expect(run).toMatchObject({ lastLine: '0 passed, 1 failed', status: 1 })
    expect(run.stderr).toContain('left no report')
  })

  const never = 'await new Promise(() => setInterval(() => {}, 1_000))'
  const stall = { STEVEDORE_STALL_SECONDS: '6' }

  test('ends a run that stalls, and runs what had not ended again', () => {
    const stallsOnce = `
      import { existsSync, writeFileSync } from 'node:fs'
      test('goes on for ever at first', { timeout: 0 }, async () => {
        if (existsSync(import.meta.filename + '.ran')) return
        writeFileSync(import.meta.filename + '.ran', '')
        ${never}
      })`
    const run = runTests({ 'a.test.js': passing, 'b.test.js': stallsOnce }, stall)
    expect(run).toMatchObject({ lastLine: '3 passed, 0 failed', status: 0 })
    expect(run.stderr).toMatch(/stalled: nothing was heard for 6 s, .*b\.test\.js, in "goes on for ever at first"/)
  })

  test('fails when it stalls a second time', () => {
    const stalls = `test('goes on for ever', { timeout: 0 }, async () => { ${never} })`
    const run = runTests({ 'a.test.js': stalls }, stall)
    expect(run).toMatchObject({ lastLine: '0 passed, 1 failed', status: 1 })
    expect(run.stderr).toContain('stalled again')
  })
})

describe('process groups', () => {
  /** A process that starts another one, says both ids, and ignores every polite request to stop. */
  const stubborn = `
    const { spawn } = require('node:child_process')
    process.on('SIGTERM', () => {})
    const child = spawn('sleep', ['600'], { stdio: 'ignore' })
    console.log([process.pid, child.pid].join(' '))
    setInterval(() => {}, 1000)`

  /** Whether a process runs; one that is dead but not reaped yet does not. */
  function isRunning(pid: number): boolean {
    try {
      process.kill(pid, 0)
      return !(existsSync('/proc/self/stat') && / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')))
    } catch {
      return false
    }
  }

  const untilGone = (pids: number[]) =>
    expect.poll(() => pids.filter(isRunning), { timeout: 15_000, interval: 100 }).toEqual([])

  test('gives the exit code and the lines of what it ran', async () => {
    const lines: string[] = []
    const script = "console.log('one'); console.error('two'); process.stdout.write('three'); process.exitCode = 3"
    const group = startProcessGroup(['-e', script], { cwd: '.', env: process.env, onLine: (it) => lines.push(it) })
    expect(await group.exited).toBe(3)
    await group.end()
    // The last of them may still be in the pipe.
    await expect.poll(() => [...lines].sort()).toEqual(['one', 'three', 'two'])
  })

  test('ends with all that it started, even what does not want to', async () => {
    let group: ReturnType<typeof startProcessGroup> | undefined
    const line = await new Promise<string>((resolve) => {
      group = startProcessGroup(['-e', stubborn], { cwd: '.', env: process.env, onLine: resolve })
    })
    const pids = line.split(' ').map(Number)
    expect(pids.filter(isRunning)).toEqual(pids)
    await group!.end()
    await untilGone(pids)
    await group!.end()
  })

  test('ends when its starter is killed outright', async () => {
    const starter = `
      import { startProcessGroup } from '${join(process.cwd(), 'scripts/process-group.ts')}'
      const args = ['-e', ${JSON.stringify(stubborn)}]
      startProcessGroup(args, { cwd: '.', env: process.env, onLine: (line) => console.log(line) })`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', starter])
    const [line] = await once(parent.stdout.setEncoding('utf8'), 'data')
    const pids = String(line).trim().split(' ').map(Number)
    expect(pids.filter(isRunning)).toEqual(pids)
    parent.kill('SIGKILL')
    await untilGone(pids)
  })
})

describe('calls to a local server', () => {
  test('send the host of the URL, stream the body, and count its bytes', async () => {
    const server = createServer((request, response) => {
      let bytes = 0
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      request.on('end', () => response.end(`${request.method} ${request.headers.host} ${request.url} ${bytes}`))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const sent: number[] = []
    const answer = await callLocal(new URL(`http://acme.localhost:${port}/a?b=c`), {
      method: 'PUT',
      body: [Buffer.alloc(1000), Buffer.alloc(234)],
      onSent: (bytes) => sent.push(bytes),
      signal: AbortSignal.timeout(10_000),
    })
    server.close()
    expect(answer.body.toString()).toBe(`PUT acme.localhost:${port} /a?b=c 1234`)
    expect(sent).toEqual([1000, 234])
  })

  test('give an answer that comes before the body is read', async () => {
    const server = createServer((_, response) => {
      response.writeHead(413, { connection: 'close' })
      response.end(JSON.stringify({ code: 'file-too-large', detail: 'At most 10 bytes.' }))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const endless = (function* () {
      for (;;) yield Buffer.alloc(64 * 1024)
    })()
    const url = new URL(`http://localhost:${port}/`)
    const answer = await callLocal(url, { method: 'PUT', body: endless, signal: AbortSignal.timeout(10_000) })
    server.close()
    expect(describeAnswer(answer)).toBe('413 file-too-large: At most 10 bytes.')
  })

  test('fail readably when nothing listens, and with the reason of their signal', async () => {
    const url = new URL(`http://localhost:${await findFreePort()}/`)
    await expect(callLocal(url, { signal: AbortSignal.timeout(10_000) })).rejects.toThrow(Failure)
    const reason = new Error('enough')
    await expect(callLocal(url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})

describe('a kept local state', () => {
  /** A state that was made with these migrations, and the folder that they are in. */
  async function made(migrations: Record<string, string>) {
    const state = mkdtempSync(join(workspace, 'state-'))
    const folder = mkdtempSync(join(workspace, 'migrations-'))
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
    for (const [name, text] of Object.entries(migrations)) write(name, text)
    await requireFittingState(state, folder)
    mkdirSync(dataFolder(state))
    return { state, folder, write }
  }

  test('fits the migrations that it was made with, and those that have come since', async () => {
    const { state, folder, write } = await made({ '0000_first.sql': 'one' })
    await requireFittingState(state, folder)
    write('0001_second.sql', 'two')
    await requireFittingState(state, folder)
    write('0001_second.sql', 'changed')
    await expect(requireFittingState(state, folder)).rejects.toThrow(Failure)
  })

  test('of other migrations is refused with the folder to remove, after which all is well', async () => {
    const { state, folder, write } = await made({ '0000_first.sql': 'one' })
    write('0000_first.sql', 'another')
    for (let time = 0; time < 2; time++) {
      await expect(requireFittingState(state, folder)).rejects.toThrow(
        new RegExp(`local state in ${state} was made by another version[^]*Remove that folder`),
      )
    }
    rmSync(state, { recursive: true })
    await requireFittingState(state, folder)
  })

  test('that says of no migration is refused by the server, before anything is started', async () => {
    const stateFolder = mkdtempSync(join(workspace, 'state-'))
    mkdirSync(dataFolder(stateFolder))
    const start = startLocalServer({ port: 1, stateFolder, readDevVars: false, signal: AbortSignal.timeout(30_000) })
    await expect(start).rejects.toThrow('Remove that folder')
    expect(existsSync(join(stateFolder, 'config'))).toBe(false)
  })
})

describe('ports', () => {
  test('a busy one is refused with what to do', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    await expect(requireFreePort(port)).rejects.toThrow(`Port ${port} is in use.`)
    server.close()
    await once(server, 'close')
    await expect(requireFreePort(port)).resolves.toBeUndefined()
  })

  test.each(['', '0', '65536', '-1', '80a', ' 80', '1e3', '999999'])('%j is none', (text) => {
    expect(() => parsePort(text)).toThrow(Failure)
  })

  test.each(['1', '8787', '65535'])('%j is one', (text) => {
    expect(parsePort(text)).toBe(Number(text))
  })
})

describe('tables', () => {
  const headings = ['Name', 'Size']
  const rows = [
    ['harbour.png', '1 B'],
    ['a', '22 B'],
  ]

  test('align their columns', () => {
    expect(renderTable(headings, rows, 80).split('\n')).toEqual([
      'Name         Size',
      '-----------  ----',
      'harbour.png  1 B',
      'a            22 B',
    ])
  })

  test('become blocks when they would be too wide', () => {
    expect(renderTable(headings, rows, 16)).toBe('Name  harbour.png\nSize  1 B\n\nName  a\nSize  22 B')
  })

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [599_629, '599.6 kB'],
    [5_000_000_000_000_000, '5000.0 TB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})
