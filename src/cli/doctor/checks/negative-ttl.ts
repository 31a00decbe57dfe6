import { bareReason } from '../../../discovery/bare-reason.ts'
import { canonicalHost } from '../../../discovery/service-name.ts'
import { stubOver } from '../../endpoints/dns-answer.ts'
import { fine, unchecked, warning, type HostCheck } from '../check.ts'

/** A name that surely does not exist; always the same, so that resolvers do not fill up with it. */
const LABEL = 'onehop-doctor-asks-for-no-such-name'
const MAX_NEGATIVE_TTL_SECONDS = 60

/** For how long resolvers remember that a name does not exist: the SOA of the namespace. */
export const negativeTtl: HostCheck = {
  title: 'negative TTL',
  async run({ service, options, signal }) {
    const { namespace } = service
    if (options.discovery === 'api') return unchecked('not asked: --discovery api')
    if (namespace === undefined) return unchecked('not asked: the host lies in no namespace')
    const zone = canonicalHost(namespace)
    const name = `${LABEL}.${zone}`
    try {
      const { authorities } = await stubOver(options['dns-server']).query(name, 'A', signal)
      const soa = authorities.find((record) => record.type === 'SOA')
      // Of an HTTP namespace it is the root's, or that of a domain above.
      if (soa?.name !== zone) return unchecked(`unknown: DNS has no zone ${zone}`)
      // RFC 2308 section 5.
      const seconds = Math.min(soa.ttlSeconds, soa.minimumSeconds)
      if (seconds <= MAX_NEGATIVE_TTL_SECONDS) return fine(`${seconds} s in ${namespace}`)
      return warning('negative-ttl-long', {
        what: `resolvers remember for ${seconds} s that a name in ${namespace} does not exist`,
        cause:
          'The SOA of the hosted zone has that TTL: namespaces made by older tools have 300 to 900 s. A service whose first task starts is not found for as long.',
        remedy:
          'Set it to 15 s: aws servicediscovery update-private-dns-namespace --id <id> --namespace Properties={DnsProperties={SOA={TTL=15}}}.',
      })
    } catch (error) {
      signal.throwIfAborted()
      // Whether DNS answers is the finding of another check.
      return fine(`unknown: ${bareReason(name, error)}`)
    }
  },
}
