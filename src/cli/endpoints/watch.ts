import { sleep, systemClock } from '../../core/clock.ts'
import type { ExitCode } from '../command.ts'
import type { LookValues } from '../options/client-flags.ts'
import type { Io } from '../terminal/io.ts'
import type { Output } from '../terminal/output.ts'
import { apiOver } from './api-answer.ts'
import { changesBetween, type Change } from './changes.ts'
import { placeOf } from './compare.ts'
import { lookAt, serviceOf, type Look } from './lookup.ts'
import { lookJson, lookLines } from './show.ts'
import { steadied } from './steadied.ts'

interface WatchValues extends LookValues {
  readonly every: number
  readonly json: boolean
}

/** Looks again and again until the signal aborts, and prints what changed. */
export async function watchEndpoints(host: string, options: WatchValues, io: Io): Promise<ExitCode> {
  const service = serviceOf(host, options)
  const api = apiOver(options)
  const steady = steadied()
  try {
    let look = steady(await lookAt(service, options, io.signal, api))
    if (options.json) io.json({ event: 'snapshot', ...lookJson(look) })
    else io.print(...lookLines(look, io.out), '')
    for (;;) {
      await sleep(systemClock, options.every, io.signal)
      const next = steady(await lookAt(service, options, io.signal, api))
      for (const change of changesBetween(look, next))
        if (options.json) io.json({ time: next.time, ...change })
        else io.print(changeLine(next, change, io.out))
      look = next
    }
  } catch (error) {
    if (!io.signal.aborted) throw error
    return 0
  } finally {
    await api.close()
  }
}

function changeLine({ time }: Look, change: Change, out: Output): string {
  const at = out.style('dim', time.slice(11, 23))
  switch (change.event) {
    case 'endpoint.added':
      return `${at}  ${out.style('green', '+')} ${placeOf(change.endpoint)}  ${factsOf(change.endpoint)}`
    case 'endpoint.removed':
      return `${at}  ${out.style('red', '-')} ${placeOf(change.endpoint)}  ${factsOf(change.endpoint)}`
    case 'endpoint.changed': {
      const { endpoint, before } = change
      const fields = Object.keys(before).map(
        (field) =>
          `${field} ${textOf(before[field as keyof typeof before])} → ${textOf(endpoint[field as keyof typeof endpoint])}`,
      )
      return `${at}  ${out.style('yellow', '~')} ${placeOf(endpoint)}  ${fields.join(', ')}`
    }
    case 'source.failed':
      return `${at}  ${out.style('red', '!')} ${change.source.toUpperCase()} fails: ${change.reason}`
    case 'source.recovered':
      return `${at}  ${out.style('green', '!')} ${change.source.toUpperCase()} answers again`
    case 'revision.changed':
      return `${at}    revision ${textOf(change.from)} → ${textOf(change.to)}`
  }
}

function factsOf({ zone, health, sources, why }: Look['rows'][number]): string {
  return [zone, health, sources.join(' '), why].filter((fact) => fact !== undefined).join('  ')
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(' ')
  return typeof value === 'string' || typeof value === 'number' ? String(value) : 'none'
}
