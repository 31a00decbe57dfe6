import { inTime } from '../../../core/async/with-timeout.ts'
import { bareReason } from '../../../discovery/bare-reason.ts'
import { cloudMapError, CloudMapError } from '../../../discovery/cloud-map/error.ts'
import { attentiveClock } from '../../endpoints/busy-start.ts'
import { answerOf, type Look } from '../../endpoints/lookup.ts'
import { counted } from '../../terminal/counted.ts'
import { problem, unchecked, warning, type Finding, type HostCheck } from '../check.ts'
import type { HostContext } from '../context.ts'

const THROTTLED = /RequestLimitExceeded|Throttl|TooManyRequests/i

/** Credentials, and the two IAM actions of discovery. */
export const cloudMapApi: HostCheck = {
  title: 'Cloud Map API',
  async run(context) {
    const { options, look: lookOnce } = context
    if (options.discovery === 'dns') return unchecked('not asked: --discovery dns')
    const look = await lookOnce()
    const { api } = look
    if (api.state === 'not-asked') return unchecked(`not asked: ${api.reason}`)
    if (api.state === 'failed') return failure(api.error, look, options.discovery)
    const { answer } = api
    const revision = await askRevision(context)
    const unusable = answer.unusable.map((id) =>
      warning('instance-unusable', {
        what: `instance ${id} has no address that can be called`,
        cause:
          'It was registered without AWS_INSTANCE_IPV4 and AWS_INSTANCE_IPV6, or with a port that is none.',
        remedy: `Correct or remove it: aws servicediscovery deregister-instance --instance-id ${id} --service-id <id>.`,
      }),
    )
    const findings = revision === undefined ? unusable : [revision, ...unusable]
    return {
      facts: [`${counted(answer.endpoints.length, 'instance')}, revision ${answer.revision ?? 'unknown'}`],
      findings,
    }
  },
}

/** The second action: a role that may not call it costs a whole read with each poll. */
async function askRevision({ api, service, options, signal }: HostContext): Promise<Finding | undefined> {
  const { host, namespace = '', service: name } = service
  const limitMs = options.timeout
  const late = (): Error =>
    new CloudMapError(host, 'outage', `DiscoverInstancesRevision took more than ${limitMs} ms`)
  try {
    await inTime({ clock: attentiveClock, limitMs, signal, late }, (own) =>
      api.discoverRevision(host, { NamespaceName: namespace, ServiceName: name }, own),
    )
    return undefined
  } catch (cause) {
    signal.throwIfAborted()
    const error = cloudMapError(service, 'DiscoverInstancesRevision', cause)
    const what = bareReason(host, error)
    if (error.failure !== 'denied') {
      const { id, ...texts } = reasons(error, 'DiscoverInstancesRevision')
      return warning(id, { what, ...texts })
    }
    return warning('revision-denied', {
      what,
      cause:
        'The role may call DiscoverInstances, but not DiscoverInstancesRevision: each poll is a whole read.',
      remedy:
        'Add servicediscovery:DiscoverInstancesRevision to the policy of the task role, on resource "*".',
    })
  }
}

function failure(error: Error, look: Look, discovery: string): Finding {
  const { host } = look.service
  // With `auto` DNS serves instead, if it has the tasks.
  const dnsServes = discovery === 'auto' && (answerOf(look.dns)?.endpoints.length ?? 0) > 0
  const instead = dnsServes ? ' DNS is asked instead meanwhile.' : ''
  const { id, ...texts } = reasons(error, 'DiscoverInstances')
  return (dnsServes ? warning : problem)(id, { what: `${bareReason(host, error)}.${instead}`, ...texts })
}

function reasons(error: Error, action: string): Pick<Finding, 'id' | 'cause' | 'remedy'> {
  const failed = error instanceof CloudMapError ? error.failure : 'outage'
  switch (failed) {
    case 'denied':
      return {
        id: 'api-denied',
        cause:
          'The task role has no statement that allows the action, a boundary or SCP denies it, or its credentials have expired.',
        remedy: `Allow servicediscovery:DiscoverInstances and servicediscovery:DiscoverInstancesRevision on resource "*"; or use discovery: 'dns'.`,
      }
    case 'no-credentials':
      return {
        id: 'api-no-credentials',
        cause:
          'The task definition has no taskRoleArn, or the credentials endpoint (169.254.170.2) or region cannot be found.',
        remedy:
          "Give the task definition a taskRoleArn, and AWS_REGION where it is not ECS that sets it; or use discovery: 'dns'.",
      }
    case 'unknown-name':
      return {
        id: 'api-unknown-name',
        cause:
          'The name is misspelt, lies in another region or account, or the service is not created yet. HTTP namespaces are case-sensitive.',
        remedy:
          'Compare with: aws servicediscovery list-namespaces, and list-services. --namespace sets another one.',
      }
    case 'invalid-request':
      return {
        id: 'api-invalid',
        cause: 'The API does not take the name as it is, or something else than Cloud Map answers.',
        remedy: 'Check the host, --namespace and --endpoint.',
      }
    case 'outage':
      return THROTTLED.test(`${(error.cause as Error | undefined)?.name} ${error.message}`)
        ? {
            id: 'api-throttled',
            cause: `The account's quota of ${action} in this region is spent: 1,000 DiscoverInstances and 3,000 revisions a second.`,
            remedy:
              "Use discovery: 'dns' for busy callers, raise cloudMap.revisionMs, or request a higher quota.",
          }
        : {
            id: 'api-fails',
            cause:
              'There is no way to data-servicediscovery.<region>.amazonaws.com: no NAT, no interface endpoint, or its security group refuses this task. Or the API has an outage.',
            remedy:
              "Create the interface endpoint com.amazonaws.<region>.data-servicediscovery with private DNS, and admit port 443; or use discovery: 'dns'.",
          }
  }
}
