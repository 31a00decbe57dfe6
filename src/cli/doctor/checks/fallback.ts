import { fine, problem, unchecked, type Finding, type HostCheck } from '../check.ts'
import type { StepFailure } from '../probe.ts'
import { tlsFinding } from '../tls-finding.ts'

/** The load balancer, by its own name. */
export const fallback: HostCheck = {
  title: 'fallback',
  async run({ target, fallbackProbe }) {
    const probe = await fallbackProbe()
    const { fallback: url } = target
    if (probe === undefined || url === undefined) return unchecked('none is configured')
    const place = url.origin
    switch (probe.step) {
      case 'connect':
        return probe.code === 'ENOTFOUND' || probe.code === 'EAI_AGAIN'
          ? unresolved(place, probe.message)
          : down(place, probe.message)
      case 'tls':
        return badTls(probe, url)
      case 'http':
        return down(place, probe.message)
      case 'done':
        if (probe.status === 502 || probe.status === 503 || probe.status === 504)
          return withoutTargets(place, probe.status)
        return fine(`${place} answers${probe.status === undefined ? '' : ` with ${probe.status}`}`)
    }
  },
}

function unresolved(place: string, message: string): Finding {
  return problem('fallback-unresolved', {
    what: `${place} cannot be looked up: ${message}`,
    cause: 'The load balancer was deleted or replaced, or its name is misspelt.',
    remedy: 'Compare with: aws elbv2 describe-load-balancers --query "LoadBalancers[].DNSName".',
  })
}

function down(place: string, message: string): Finding {
  return problem('fallback-down', {
    what: `${place} cannot be called: ${message}`,
    cause: 'It has no listener on that port, or its security group does not admit this task.',
    remedy:
      'Check listener and security group of the load balancer. Calls that the tasks cannot take would fail.',
  })
}

function badTls({ code, message }: StepFailure, { origin, hostname }: URL): Finding {
  const finding = tlsFinding(code, origin, message, hostname, 'fallback.pool.connect.ca')
  return { ...finding, id: `fallback-${finding.id}` }
}

function withoutTargets(place: string, status: number): Finding {
  return problem('fallback-fails', {
    what: `${place} answers with ${status}`,
    cause: 'Its target group has no healthy targets, or they do not answer.',
    remedy:
      'Check the health of the target group: aws elbv2 describe-target-health --target-group-arn <arn>.',
  })
}
