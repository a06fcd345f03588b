import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { findFreePort } from '../../../scripts/ports.ts'
import { eventually } from '../e2e/eventually.ts'
import { repository } from '../e2e/local-worker.ts'
import { run } from '../e2e/programs.ts'

const installed = join(repository, 'node_modules')

/** A project of somebody who has installed the package. */
export interface Project {
  folder: string
  /** The package within it. */
  packageFolder: string
  /** Puts a file of the project, or of the repository, at a path of it; gives the whole path. */
  write(path: string, content: string): Promise<string>
  copy(from: string, to?: string): Promise<string>
  /** Installs another package, as the repository has it. */
  install(name: string): Promise<void>
  /** Runs a program in it to its end. */
  run(args: readonly string[], env: Record<string, string>, program?: string): Promise<Ended>
  /** Starts a server of it on a free port, and waits until it says its address. */
  start(path: string, env: Record<string, string>): Promise<Server>
  remove(): Promise<void>
}

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

interface Server {
  url: string
  /** What it has printed so far. */
  output(): string
  stop(): Promise<void>
}

/**
 * Packs the package as it would be published, from the client's sources as they are now, and installs it into an empty
 * project with what it depends on for the client, and nothing else.
 */
export async function projectWithPackage(): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'stevedore-project-'))
  const packageFolder = join(folder, 'node_modules/stevedore')
  const install = async (name: string) => {
    const path = join(folder, 'node_modules', name)
    if (existsSync(path)) return
    await mkdir(dirname(path), { recursive: true })
    await symlink(join(installed, name), path)
  }
  const npm = (...args: string[]) => run('npm', ['--prefix', repository, '--silent', ...args])
  // The client alone: other tests use the other parts meanwhile.
  await npm('run', 'build:client')
  await run('sh', ['-c', `cd '${repository}' && npm pack --silent --ignore-scripts --pack-destination '${folder}'`])
  await mkdir(packageFolder, { recursive: true })
  await run('sh', ['-c', `tar -xzf '${folder}'/stevedore-*.tgz --strip-components=1 -C '${packageFolder}'`])
  await install('eventsource-parser')
  await install('tus-js-client')
  const write = async (path: string, content: string) => {
    const whole = join(folder, path)
    await mkdir(dirname(whole), { recursive: true })
    await writeFile(whole, content)
    return whole
  }
  await write('package.json', JSON.stringify({ name: 'project', type: 'module', private: true }))
  return {
    folder,
    packageFolder,
    write,
    copy: async (from, to = from) => {
      await cp(join(repository, from), join(folder, to), { recursive: true })
      return join(folder, to)
    },
    install,
    run: async (args, env, program = process.execPath) => {
      const child = spawnIn(folder, program, args, env)
      const [code] = await once(child.process, 'close')
      return { code, stdout: child.stdout(), stderr: child.stderr() }
    },
    start: async (path, env) => {
      const url = `http://localhost:${await findFreePort()}`
      const child = spawnIn(folder, process.execPath, [path], { ...env, PORT: new URL(url).port })
      await eventually(() => {
        if (!child.stdout().includes(url)) throw new Error(`It is not ready: ${child.stdout()}${child.stderr()}`)
      })
      return {
        url,
        output: child.stdout,
        stop: async () => {
          child.process.kill()
          if (child.process.exitCode === null) await once(child.process, 'close')
        },
      }
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

function spawnIn(cwd: string, program: string, args: readonly string[], env: Record<string, string>) {
  const child = spawn(program, args, {
    cwd,
    env: { ...env, PATH: process.env.PATH ?? '' } as unknown as NodeJS.ProcessEnv,
  })
  const printed = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    printed.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    printed.stderr += chunk
  })
  return { process: child, stdout: () => printed.stdout, stderr: () => printed.stderr }
}
