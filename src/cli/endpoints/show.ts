/** A look as text for people, and as JSON for programs. */
import { counted, listed, seconds } from '../terminal/counted.ts'
import type { Output } from '../terminal/output.ts'
import { table } from '../terminal/table.ts'
import type { ApiAnswer } from './api-answer.ts'
import { isFinding, placeOf, type Row } from './compare.ts'
import type { DnsAnswer } from './dns-answer.ts'
import type { Asked, Look } from './lookup.ts'

const HEADER = ['ENDPOINT', 'ZONE', 'WEIGHT', 'HEALTH', 'SOURCE', 'ID']

/** The table of endpoints with its notes, then one line for each source. */
export function lookLines({ service, dns, api, rows }: Look, out: Output): string[] {
  const { host, namespace } = service
  const place =
    namespace === undefined ? 'in no namespace' : `service ${service.service} in namespace ${namespace}`
  const cells = rows.map((row) => cellsOf(row, out))
  return [
    `${out.style('bold', host)}  ${place}`,
    '',
    ...(rows.length === 0
      ? ['no endpoints']
      : table([HEADER, ...cells], { head: (line) => out.style('dim', line) })),
    '',
    `DNS  ${sourceLine(dns, dnsLine, out)}`,
    `API  ${sourceLine(api, apiLine, out)}`,
    ...noteLines(rows, out),
  ]
}

/** A look as plain data. */
export function lookJson({ service, time, dns, api, rows }: Look): Record<string, unknown> {
  const { host, namespace } = service
  return {
    host,
    service: service.service,
    namespace,
    time,
    dns: sourceJson(dns),
    api: sourceJson(api),
    endpoints: rows,
  }
}

function sourceJson(from: Asked<DnsAnswer | ApiAnswer>): object {
  if (from.state !== 'answered') return { state: from.state, reason: from.reason }
  const { endpoints, ...facts } = from.answer
  return { state: from.state, ...facts, endpoints: endpoints.length }
}

function cellsOf(row: Row, out: Output): readonly string[] {
  const { zone = '-', weight, health, sources, id = '-', difference } = row
  const mark = difference === undefined ? '' : isFinding(difference) ? ' !' : ' *'
  return [
    placeOf(row),
    zone,
    String(weight),
    health === undefined ? '-' : out.style(health === 'UNHEALTHY' ? 'red' : 'green', health),
    out.style(isFinding(difference) ? 'red' : 'none', sources.join(' ') + mark),
    id,
  ]
}

/** One for each difference; those that only are not among the eight of DNS have one together. */
function noteLines(rows: readonly Row[], out: Output): readonly string[] {
  const others = rows.filter(({ difference }) => difference === 'sample')
  const notes = rows.flatMap((row) =>
    row.why === undefined || row.difference === 'sample'
      ? []
      : noteLine(isFinding(row.difference), placeOf(row), row.why, out),
  )
  const [first] = others
  if (first?.why !== undefined) notes.push(noteLine(false, listed(others.map(placeOf)), first.why, out))
  return notes
}

function noteLine(isBad: boolean, place: string, why: string, out: Output): string {
  return `${out.style(isBad ? 'red' : 'yellow', isBad ? '!' : '*')} ${place}  ${why}`
}

function sourceLine<Answer>(from: Asked<Answer>, line: (answer: Answer) => string, out: Output): string {
  switch (from.state) {
    case 'answered':
      return line(from.answer)
    case 'failed':
      return out.style('red', `failed: ${from.reason}`)
    case 'not-asked':
      return out.style('dim', `not asked (${from.reason})`)
  }
}

function dnsLine(answer: DnsAnswer): string {
  const took = `in ${answer.tookMs.toFixed(1)} ms`
  if (answer.records !== undefined) return `${recordsOf(answer)}, ${took}`
  const what = answer.isNonexistent ? 'no such name (NXDOMAIN)' : 'no A, AAAA or SRV records'
  return `${what}, remembered by resolvers for ${seconds(answer.ttlMs)}; ${took}`
}

/** `3 by A records, TTL 10 s` */
export function recordsOf({ records, endpoints, ttlMs, isSample }: DnsAnswer): string {
  const sample = isSample ? ', a sample of a larger set' : ''
  return `${endpoints.length} by ${records} records${sample}, TTL ${seconds(ttlMs)}`
}

function apiLine({ endpoints, unusable, revision, tookMs }: ApiAnswer): string {
  const healthy = endpoints.filter(({ health }) => health !== 'UNHEALTHY').length
  const without =
    unusable.length === 0 ? '' : `, ${unusable.length} without a usable address (${unusable.join(', ')})`
  return `${counted(endpoints.length, 'instance')}, ${healthy} of them healthy${without}, revision ${revision ?? 'unknown'}, in ${tookMs.toFixed(1)} ms`
}
