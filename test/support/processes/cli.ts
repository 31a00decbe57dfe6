/** The command line as a process, by its sources, in a world of its own. */
import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LocalAws } from 'onehop/testing'
import { until } from '../until.ts'
import { ended } from './children.ts'

const root = new URL('../../../', import.meta.url)
const MAIN = ['--conditions=onehop:source', 'src/cli/main.ts']

/** Node's own place for compiled sources: each of a hundred processes would strip the types of a hundred files. */
const COMPILED = { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') }

/** What came of a run. */
export interface CliRun {
  /** undefined: ended by a signal. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export type Environment = Readonly<Record<string, string | undefined>>

/** The environment of a task whose AWS is local; nothing else of this process's but what Node needs. */
export function environmentOf(aws: LocalAws, others: Environment = {}): Environment {
  return {
    ...aws.metadata.env,
    ...aws.env,
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    ...others,
  }
}

/** Variables of a process that computes when it has a connection to the API. */
export function busyWhenConnected(busyMs: number): Environment {
  const preload = new URL('busy-when-connected.ts', import.meta.url).href
  return { NODE_OPTIONS: `--import=${preload}`, BUSY_MS: String(busyMs) }
}

/** A run that is under way. */
export interface RunningCli {
  readonly outcome: Promise<CliRun>
  /** Waits until stdout has the text, behind the one that was waited for before. */
  until(text: string): Promise<void>
  /** Types into its terminal, or writes to its stdin. */
  type(text: string): void
  kill(signal: NodeJS.Signals): void
}

/** Starts `onehop ARGS`, its output piped. */
export function startCli(args: readonly string[], env: Environment = {}): RunningCli {
  return running(
    spawn(process.execPath, [...MAIN, ...args], { cwd: root, env: { ...COMPILED, ...env }, stdio: 'pipe' }),
  )
}

/** Runs `onehop ARGS` to its end, its output piped. */
export function runCli(args: readonly string[], env: Environment = {}): Promise<CliRun> {
  return startCli(args, env).outcome
}

/** Starts `onehop ARGS` in a pseudo-terminal, in which stdout and stderr are one: `stdout` has both. */
export function startInTerminal(args: readonly string[], env: Environment = {}): RunningCli {
  const command = [process.execPath, ...MAIN, ...args].map((arg) => `'${arg}'`).join(' ')
  const flags = ['--quiet', '--return', '--command', command, '/dev/null']
  const terminal = { TERM: 'xterm-256color', ...COMPILED, ...env }
  return running(spawn('script', flags, { cwd: root, env: terminal, stdio: 'pipe' }))
}

/** Runs `onehop ARGS` in a pseudo-terminal to its end. */
export function runInTerminal(args: readonly string[], env: Environment = {}): Promise<CliRun> {
  return startInTerminal(args, env).outcome
}

function running(child: ChildProcessWithoutNullStreams): RunningCli {
  const outcome = outcomeOf(child)
  let seen = ''
  let found = 0
  child.stdout.on('data', (piece: string) => (seen += piece))
  return {
    outcome,
    async until(text) {
      await until(() => {
        if (seen.includes(text, found)) return true
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${seen}`)
        return false
      }, `the output has "${text}"`)
      found = seen.indexOf(text, found) + text.length
    },
    type: (text) => void child.stdin.write(text),
    kill: (signal) => void child.kill(signal),
  }
}

/** Runs a line of the shell; `onehop` is the command. */
export function runInShell(line: string, env: Environment = {}): Promise<CliRun> {
  const definition = `onehop() { '${process.execPath}' ${MAIN.join(' ')} "$@"; }; set -o pipefail; `
  return outcomeOf(
    spawn('bash', ['--norc', '-c', definition + line], {
      cwd: root,
      env: { ...COMPILED, ...env },
      stdio: 'pipe',
    }),
  )
}

async function outcomeOf(child: ChildProcess): Promise<CliRun> {
  const { code, stdout, stderr } = await ended(child)
  return { code: code ?? undefined, stdout, stderr }
}
