import { placeOf, type Difference, type Row } from '../../endpoints/compare.ts'
import { counted, listed, plural } from '../../terminal/counted.ts'
import { problem, unchecked, warning, type Finding, type HostCheck } from '../check.ts'

/** What is registered, what of it is healthy, and whether DNS says the same. */
export const registrations: HostCheck = {
  title: 'registrations',
  async run({ look: lookOnce }) {
    const { rows, dns, api, service } = await lookOnce()
    if (api.state !== 'answered' && dns.state !== 'answered') return unchecked('unknown: no source answers')
    if (rows.length === 0 && api.state !== 'answered') return unchecked('no endpoints are known')
    if (rows.length === 0)
      return problem('no-endpoints', {
        what: `${service.host} has no endpoints`,
        cause: 'No task runs, none is healthy yet, or the ECS service has no service registry.',
        remedy:
          'Check the running count of the ECS service, and its serviceRegistries. A fallback takes all calls meanwhile.',
      })
    const unhealthy = rows.filter(({ health }) => health === 'UNHEALTHY').length
    const healthy = rows.length - unhealthy
    const noneHealthy = problem('none-healthy', {
      what: `all ${rows.length} instances are UNHEALTHY; clients call all of them then`,
      cause: 'The health checks of all tasks fail, or nothing sets a custom health status.',
      remedy: 'Check the containers and their health checks.',
    })
    const about = (difference: Difference, find: (rows: readonly Row[]) => Finding): Finding[] => {
      const different = rows.filter((row) => row.difference === difference)
      return different.length === 0 ? [] : [find(different)]
    }
    return {
      facts: [
        `${counted(rows.length, 'endpoint')}, ${unhealthy === 0 ? 'none' : unhealthy} unhealthy, ${healthy} to be called`,
      ],
      findings: [
        ...(healthy === 0 ? [noneHealthy] : []),
        ...about('stale-dns', staleDns),
        ...about('not-in-dns', notInDns),
        ...about('port', otherPort),
      ],
    }
  },
}

function placesOf(rows: readonly Row[]): string {
  return listed(rows.map(placeOf))
}

const OLD_ANSWER =
  'A resolver keeps the answer of before for its TTL; longer than that: a record was made by hand, or by another service.'

function staleDns(rows: readonly Row[]): Finding {
  return warning('stale-dns', {
    what: `DNS names ${placesOf(rows)}, which ${plural(rows, 'is', 'are')} not registered any more`,
    cause: OLD_ANSWER,
    remedy:
      "Wait for the TTL. Lower the TTL of the records to 10 s, or use the API (discovery: 'auto' with credentials).",
  })
}

function notInDns(rows: readonly Row[]): Finding {
  return warning('not-in-dns', {
    what: `${placesOf(rows)} ${plural(rows, 'is', 'are')} registered, and DNS does not name ${plural(rows, 'it', 'them')}`,
    cause: OLD_ANSWER,
    remedy: "Wait for the TTL, or use the API (discovery: 'auto' with credentials).",
  })
}

function otherPort(rows: readonly Row[]): Finding {
  return warning('srv-port-differs', {
    what: `the SRV ${plural(rows, 'record', 'records')} of ${placesOf(rows)} ${plural(rows, 'has', 'have')} another port than the registration`,
    cause: 'The instance was registered again with another port, and a resolver keeps the old record.',
    remedy: 'Wait for the TTL of the records.',
  })
}
