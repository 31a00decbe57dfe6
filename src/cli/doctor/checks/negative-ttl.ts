import { bareReason } from '../../../discovery/bare-reason.ts'
import { askDns } from '../../endpoints/dns-answer.ts'
import { fine, wrong, type HostCheck } from '../check.ts'

/** A name that surely does not exist; always the same, so that resolvers do not fill up with it. */
const LABEL = 'onehop-doctor-asks-for-no-such-name'
const MAX_NEGATIVE_TTL_MS = 60_000

/** For how long resolvers remember that a name does not exist: the SOA of the namespace. */
export const negativeTtl: HostCheck = {
  title: 'negative TTL',
  async run({ look, options, signal }) {
    const { namespace } = (await look()).service
    if (options.discovery === 'api') return fine('not asked: --discovery api')
    if (namespace === undefined) return fine('not asked: the host lies in no namespace')
    const name = `${LABEL}.${namespace}`
    try {
      const { ttlMs } = await askDns(name, {
        servers: options['dns-server'],
        timeoutMs: options.timeout,
        signal,
      })
      const ttl = `${Math.ceil(ttlMs / 1000)} s`
      if (ttlMs <= MAX_NEGATIVE_TTL_MS) return fine(`${ttl} in ${namespace}`)
      return wrong({
        id: 'negative-ttl-long',
        level: 'warning',
        what: `resolvers remember for ${ttl} that a name in ${namespace} does not exist`,
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
