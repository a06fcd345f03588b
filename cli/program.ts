import { Command, Option } from 'commander'
import { addDelete } from './commands/delete.ts'
import { addDomains } from './commands/domains.ts'
import { addDownload } from './commands/download.ts'
import { addHealth } from './commands/health.ts'
import { addHostnames } from './commands/hostnames.ts'
import { addKeys } from './commands/keys.ts'
import { addLink } from './commands/link.ts'
import { addList } from './commands/list.ts'
import { addStatus } from './commands/status.ts'
import { addTokens } from './commands/tokens.ts'
import { addUpload } from './commands/upload.ts'
import { addUsage } from './commands/usage.ts'
import { actIn, type Surroundings } from './session.ts'

const help = `
Environment:
  STEVEDORE_URL     the server; without it, the one of "npm run dev" and its domain "demo"
  STEVEDORE_KEY     the API key, the upload token, or the administrator's token
  STEVEDORE_DOMAIN  the domain that requests are for

Exit codes:
  0  done
  1  the server refused, a file failed its processing, or bytes differ from their digest
  2  wrong use: the command line, or a file here that can't be read or written
  3  no server was reached, or the connection broke
  130 and the like: stopped by Ctrl-C or another signal

Examples:
  $ stevedore upload report.pdf photo.jpg --wait
  $ stevedore list --status complete --json
  $ stevedore domains create acme maxFileBytes=10MB 'allowedTypes=image/*,application/pdf'`

/** The whole command line. Throws commander's errors instead of ending the process. */
export function buildProgram(surroundings: Surroundings): Command {
  const { stdout, stderr, version } = surroundings
  const program = new Command('stevedore')
    .description('Uploads and their domains, from the command line.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .option('--url <url>', 'the server; prefer STEVEDORE_URL')
    .option('--key <key>', 'the credential; prefer STEVEDORE_KEY, since others on this machine see options in "ps"')
    .option('--domain <domain>', 'the domain, by slug or hostname; or STEVEDORE_DOMAIN')
    .option('--json', 'print one JSON document, also for an error')
    .addOption(new Option('--retries <n>', 'how often to try again what may be tried again').default('3', '3'))
    .addHelpText('after', help)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      // The caller says it, as JSON where that was asked for.
      outputError: () => {},
    })
  const act = actIn(surroundings)
  addUpload(program, act)
  addStatus(program, act)
  addList(program, act)
  addDownload(program, act)
  addDelete(program, act)
  addLink(program, act)
  addUsage(program, act)
  addDomains(program, act)
  addKeys(program, act)
  addHostnames(program, act)
  addTokens(program, act)
  addHealth(program, act)
  return program
}
