import type { Difference, Row } from '../../endpoints/compare.ts'
import { placeOf } from '../../endpoints/show.ts'
import { counted, listed } from '../../terminal/counted.ts'
import { unchecked, type Finding, type HostCheck } from '../check.ts'

/** What is registered, what of it is healthy, and whether DNS says the same. */
export const registrations: HostCheck = {
  title: 'registrations',
  async run({ look: lookOnce }) {
    const { rows, dns, api, service } = await lookOnce()
    if (api.state !== 'answered' && dns.state !== 'answered') return unchecked('unknown: no source answers')
    const unhealthy = rows.filter(({ health }) => health === 'UNHEALTHY')
    const findings: Finding[] = []
    if (rows.length === 0 && api.state === 'answered') findings.push(nothing(service.host))
    if (unhealthy.length > 0 && unhealthy.length === rows.length) findings.push(noneHealthy(rows.length))
    const stale = withDifference(rows, 'stale-dns')
    if (stale.length > 0) findings.push(staleDns(stale))
    const missing = withDifference(rows, 'not-in-dns')
    if (missing.length > 0) findings.push(notInDns(missing))
    const port = withDifference(rows, 'port')
    if (port.length > 0) findings.push(otherPort(port))
    const healthy = rows.length - unhealthy.length
    if (rows.length === 0 && findings.length === 0) return unchecked('no endpoints are known')
    const facts = `${counted(rows.length, 'endpoint')}, ${unhealthy.length === 0 ? 'none' : unhealthy.length} unhealthy, ${healthy} to be called`
    return { facts: rows.length === 0 ? [] : [facts], findings }
  },
}

function withDifference(rows: readonly Row[], difference: Difference): readonly Row[] {
  return rows.filter((row) => row.difference === difference)
}

function placesOf(rows: readonly Row[]): string {
  return listed(rows.map(placeOf))
}

function isOrAre({ length }: readonly Row[]): string {
  return length === 1 ? 'is' : 'are'
}

function nothing(host: string): Finding {
  return {
    id: 'no-endpoints',
    level: 'problem',
    what: `${host} has no endpoints`,
    cause: 'No task runs, none is healthy yet, or the ECS service has no service registry.',
    remedy:
      'Check the running count of the ECS service, and its serviceRegistries. A fallback takes all calls meanwhile.',
  }
}

function noneHealthy(count: number): Finding {
  return {
    id: 'none-healthy',
    level: 'problem',
    what: `all ${count} instances are UNHEALTHY; clients call all of them then`,
    cause: 'The health checks of all tasks fail, or nothing sets a custom health status.',
    remedy: 'Check the containers and their health checks.',
  }
}

function staleDns(rows: readonly Row[]): Finding {
  return {
    id: 'stale-dns',
    level: 'warning',
    what: `DNS names ${placesOf(rows)}, which ${isOrAre(rows)} not registered any more`,
    cause:
      'A resolver keeps the answer of before for its TTL; longer than that: a record was made by hand, or by another service.',
    remedy:
      "Wait for the TTL. Lower the TTL of the records to 10 s, or use the API (discovery: 'auto' with credentials).",
  }
}

function notInDns(rows: readonly Row[]): Finding {
  return {
    id: 'not-in-dns',
    level: 'warning',
    what: `${placesOf(rows)} ${isOrAre(rows)} registered, and DNS does not name ${rows.length === 1 ? 'it' : 'them'}`,
    cause:
      'A resolver keeps the answer of before for its TTL; longer than that: a record was made by hand, or by another service.',
    remedy: "Wait for the TTL, or use the API (discovery: 'auto' with credentials).",
  }
}

function otherPort(rows: readonly Row[]): Finding {
  return {
    id: 'srv-port-differs',
    level: 'warning',
    what: `the SRV ${rows.length === 1 ? 'record' : 'records'} of ${placesOf(rows)} ${rows.length === 1 ? 'has' : 'have'} another port than the registration`,
    cause: 'The instance was registered again with another port, and a resolver keeps the old record.',
    remedy: 'Wait for the TTL of the records.',
  }
}
