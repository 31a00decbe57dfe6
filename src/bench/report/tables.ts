/** The tables that the terminal and the page show alike. Each of the two has its own way to write a cell. */
import { SET_UP_STEPS, type SetUpStep } from '../arms/set-up.ts'
import { percentileName } from '../statistics/percentiles.ts'
import { failedCalls } from './lost-calls.ts'
import { count, percent } from './numbers.ts'
import type { BenchReport, GroupReport, PercentileReport, Spread } from './report.ts'

/** A text, a time in ms, a percentile, or what a few tries took; null: nothing is known. */
export type Cell = string | number | null | PercentileReport | Spread

export interface Table {
  readonly heads: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
}

export function latencyTable({ arms }: BenchReport): Table {
  const shares = arms[0]?.latency.map(({ share }) => percentileName(share)) ?? []
  return {
    heads: ['arm', ...shares, 'max', 'service p50', 'calls'],
    rows: arms.map(({ label, latency, maxMs, service, calls }) => [
      ...[label, ...latency, maxMs],
      ...[service[0] ?? null, count(calls)],
    ]),
  }
}

const STEP_HEADS: Readonly<Record<SetUpStep, string>> = {
  lookup: 'lookup',
  tcp: 'TCP',
  tls: 'TLS',
  tlsResumed: 'TLS resumed',
  coldCall: 'first call',
  warmCall: 'second call',
}

export function setUpTable({ setUp }: BenchReport): Table {
  return {
    heads: ['arm', ...SET_UP_STEPS.map((step) => STEP_HEADS[step]), 'failed'],
    rows: setUp.map((way) => [way.label, ...SET_UP_STEPS.map((step) => way[step]), count(way.failed)]),
  }
}

const GROUP_HEADS = ['calls', 'share', 'p50', 'p99']

function groupCells({ calls, share, p50Ms, p99Ms }: GroupReport): readonly Cell[] {
  return [count(calls), percent(share), p50Ms, p99Ms]
}

export function taskTable({ arms }: BenchReport): Table {
  return {
    heads: ['arm', 'task', 'zone', ...GROUP_HEADS],
    rows: arms.flatMap(({ label, byUpstream }) =>
      byUpstream.map((task) => [label, task.name, task.zone ?? 'unknown', ...groupCells(task)]),
    ),
  }
}

export function zoneTable({ arms }: BenchReport): Table {
  return {
    heads: ['arm', 'zone', ...GROUP_HEADS],
    rows: arms.flatMap(({ label, byZone }) => byZone.map((zone) => [label, zone.name, ...groupCells(zone)])),
  }
}

/** What the terminal and the page say differently of the counts. */
export interface CountWords {
  readonly perCallHead: string
  readonly kindsHead: string
  readonly perCall: (bytes: number) => string
  readonly kind: (kind: string, calls: number) => string
}

export function countTable({ arms }: BenchReport, words: CountWords): Table {
  const heads = ['failed', 'not sent', 'retries', 'hedges', 'fallbacks', 'opened after warm-up', 'most open']
  return {
    heads: ['arm', ...heads, words.perCallHead, words.kindsHead],
    rows: arms.map((arm) => {
      const { label, notSent, retries, hedges, fallbacks, connections, bytes, failures } = arm
      const counts = [failedCalls(arm), notSent, retries, hedges, fallbacks]
      return [
        ...[label, ...[...counts, connections.opened, connections.peak].map(count)],
        bytes.perCall === null ? null : words.perCall(bytes.perCall),
        failures.map(({ kind, calls }) => words.kind(kind, calls)).join(', '),
      ]
    }),
  }
}
