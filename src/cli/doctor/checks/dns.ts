import { answerOf } from '../../endpoints/lookup.ts'
import { recordsOf } from '../../endpoints/show.ts'
import { seconds } from '../../terminal/counted.ts'
import { problem, unchecked, warning, type HostCheck } from '../check.ts'

/** Above that, callers name a stopped task for longer than it takes to drain. */
const MAX_TTL_MS = 60_000

/** Whether DNS answers, with endpoints, for a reasonable time. */
export const dns: HostCheck = {
  title: 'DNS',
  async run({ look: lookOnce, options }) {
    const look = await lookOnce()
    const { dns: asked, service } = look
    const apiServes = options.discovery !== 'dns' && (answerOf(look.api)?.endpoints.length ?? 0) > 0
    const finding = apiServes ? warning : problem
    if (asked.state === 'not-asked') return unchecked(`not asked: ${asked.reason}`)
    if (asked.state === 'failed')
      return finding('dns-fails', {
        what: `${service.host} cannot be looked up: ${asked.reason}`,
        cause:
          'The resolver is silent or broken, a network ACL or security group drops port 53, or --dns-server is wrong.',
        remedy: 'Use the VPC resolver (VPC base + 2, or 169.254.169.253), and admit UDP and TCP port 53.',
      })
    const { records, ttlMs, isNonexistent } = asked.answer
    const ttl = seconds(ttlMs)
    if (records === undefined)
      return finding(isNonexistent ? 'dns-no-name' : 'dns-no-records', {
        what: isNonexistent
          ? `DNS knows no name ${service.host} (NXDOMAIN); resolvers remember that for ${ttl}`
          : `${service.host} has no A, AAAA or SRV records; resolvers remember that for ${ttl}`,
        cause:
          'No healthy task is registered, the namespace is an HTTP namespace, or its hosted zone is not associated with this VPC.',
        remedy: "Register a task, or use discovery: 'api' (--discovery api) for an HTTP namespace.",
      })
    const longTtl = warning('dns-ttl-long', {
      what: `the records have a TTL of ${ttl}`,
      cause: 'The Cloud Map service was created with that TTL. DNS names stopped tasks for as long.',
      remedy:
        'Set it to 10 s: aws servicediscovery update-service --id <id> --service DnsConfig={DnsRecords=[{Type=A,TTL=10}]}.',
    })
    return { facts: [recordsOf(asked.answer)], findings: ttlMs > MAX_TTL_MS ? [longTtl] : [] }
  },
}
