#!/usr/bin/env node
/**
 * `onehop` on the command line: finds the command, reads its options, runs it, and turns what came of it into an exit code.
 * It loads neither the library nor undici nor the AWS SDK; the commands do. A static import of a module of Node takes 4 ms of
 * a start of 30 ms, and `process.getBuiltinModule` none: options/ and terminal/ use that.
 */
import type { Command } from './command.ts'
import { commands } from './commands.ts'
import { commandHelp, mainHelp } from './options/help.ts'
import { UsageError } from './options/option.ts'
import { parse, suggestion } from './options/parse.ts'
import { inCommandWords } from './terminal/command-words.ts'
import { ioUntil } from './terminal/io.ts'
import { PIPE_CLOSED, type Output } from './terminal/output.ts'
import { ownVersion } from './terminal/own-version.ts'

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const

const ended = new AbortController()
let signalCode: number | undefined
for (const [signal, code] of Object.entries(SIGNALS)) {
  process.on(signal, () => {
    // The second one does not wait for the command to end.
    if (signalCode !== undefined) process.exit(code)
    signalCode = code
    ended.abort(new Error(`interrupted by ${signal}`))
  })
}
// Its reader has gone, or its disk is full: in both cases nothing more can be written.
process.stdout.on('error', () => ended.abort(PIPE_CLOSED))
// The reader of the notes has gone; that of the results may be there.
process.stderr.on('error', () => undefined)

const io = ioUntil(ended.signal)
const code = await main(process.argv.slice(2))
// A resource that a command could not close in time must not keep the process alive.
process.stdout.write('', (error?: NodeJS.ErrnoException | null) => {
  const isLost = error != null && error.code !== 'EPIPE'
  if (isLost) io.note(`onehop: the results could not be written: ${error.message}`)
  process.exit(signalCode ?? (isLost ? 1 : code))
})

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined) return help(io.err, 2)
  if (name === '--help' || name === '-h') return help(io.out, 0)
  if (name === '--version' || name === '-v') {
    io.print(await ownVersion())
    return 0
  }
  if (name === 'help') return args[0] === undefined ? help(io.out, 0) : main([args[0], '--help'])
  const listed = commands[name]
  if (listed === undefined || !Object.hasOwn(commands, name)) {
    const kind = name.startsWith('-') ? 'option' : 'command'
    io.note(`onehop: no such ${kind} ${name}${suggestion(name, Object.keys(commands))}`)
    io.note('See: onehop --help')
    return 2
  }
  const { default: command } = await listed.load()
  if (wantsHelp(args)) {
    io.out.write(commandHelp(name, listed.summary, command, io.out.style))
    return 0
  }
  return run(name, command, args)
}

async function run(name: string, command: Command, args: readonly string[]): Promise<number> {
  try {
    const parsed = parse(name, command, args, io.env)
    // Lookups do not keep the process alive by themselves.
    const { keepAlive, systemClock } = await import('../core/clock.ts')
    keepAlive(systemClock)
    return await command.run(parsed, io)
  } catch (error) {
    if (ended.signal.aborted && error === ended.signal.reason) return 0
    return failed(name, error as NodeJS.ErrnoException)
  }
}

/** Errors of the library and of the system explain themselves; a stack is for mistakes of ours. */
function failed(name: string, error: NodeJS.ErrnoException): number {
  const isUsage = error instanceof UsageError || error.code === 'ONEHOP_INVALID_OPTIONS'
  const isExplained = isUsage || /^(ONEHOP_|E[A-Z]+$)/.test(error.code ?? '')
  io.note(
    `onehop ${name}: ${isExplained ? inCommandWords(error.message, name) : (error.stack ?? String(error))}`,
  )
  if (!isUsage) return 1
  io.note(`See: onehop ${name} --help`)
  return 2
}

function wantsHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h')
}

function help(output: Output, exit: number): number {
  output.write(mainHelp(commands, output.style))
  return exit
}
