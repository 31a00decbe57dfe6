import type { Task } from '../../ecs/index.ts'
import { reasonOf } from '../../core/errors.ts'
import type { ExitCode } from '../command.ts'
import { attentiveClock } from '../endpoints/busy-start.ts'
import { inCommandWords } from '../terminal/command-words.ts'
import type { Io } from '../terminal/io.ts'
import type { Output } from '../terminal/output.ts'
import { table } from '../terminal/table.ts'
import { dispatcherOwners, type DispatcherOwner } from './dispatcher-owners.ts'

/** Twice: at the start of a task the first question may be refused. */
const ATTEMPTS = 2

/** Prints the task and the owners of the global dispatchers. */
export async function whoAmI(
  { timeout, json }: { readonly timeout: number; readonly json: boolean },
  io: Io,
): Promise<ExitCode> {
  // Before the library is loaded, and undici with it.
  const dispatchers = dispatcherOwners()
  const { self } = await import('../../ecs/index.ts')
  let task: Task | undefined
  let reason: string | undefined
  try {
    task = await self({ attempts: ATTEMPTS, timeoutMs: timeout, signal: io.signal, clock: attentiveClock })
  } catch (error) {
    io.signal.throwIfAborted()
    reason = inCommandWords(reasonOf(error))
  }
  if (json) io.json({ task, reason, dispatchers }, 2)
  else io.print(...taskLines(task, reason, io.out), '', ...dispatcherLines(dispatchers, io.out))
  return task === undefined ? 1 : 0
}

function taskLines(task: Task | undefined, reason = '', out: Output): string[] {
  if (task === undefined) return [`${out.style('yellow', 'no task:')} ${reason}`]
  const { service, cluster, zone, region, ipv4, ipv6, ipv4Cidr, ipv6Cidr, port, container } = task
  const facts = [
    ['task', task.id],
    ['service', service === undefined ? 'none (started by RunTask, or metadata version 3)' : service],
    ['cluster', cluster],
    ['definition', `${task.family}:${task.revision}`],
    ['zone', zone ?? out.style('yellow', 'unknown')],
    ['region', `${region}, account ${task.account}`],
    ['IPv4', addressOf(ipv4, ipv4Cidr)],
    ['IPv6', addressOf(ipv6, ipv6Cidr)],
    ['port', port === undefined ? 'unknown: Fargate does not report it, and PORT is not set' : String(port)],
    ['launch type', task.launchType ?? 'unknown'],
    ['metadata', `version ${task.metadataVersion}`],
  ]
  const containers = task.containers.map(({ id, name, image = '', status = '' }) => [
    id === container.id ? out.style('bold', `${name} (this one)`) : name,
    status,
    image,
  ])
  return [
    ...table(facts.map(([name = '', value = '']) => [out.style('dim', name), value])),
    '',
    out.style('dim', 'containers, at 127.0.0.1 for each other'),
    ...table(containers, { indent: '  ' }),
  ]
}

function addressOf(address: string | undefined, cidr: string | undefined): string {
  if (address === undefined) return 'none'
  return cidr === undefined ? address : `${address} in ${cidr}`
}

function dispatcherLines(owners: readonly DispatcherOwner[], out: Output): string[] {
  return [
    out.style('dim', 'global dispatchers of undici'),
    ...table(
      owners.map(({ symbol, usedBy, owner }) => [symbol, owner, out.style('dim', usedBy)]),
      { indent: '  ' },
    ),
  ]
}
