import { fine, problem, unchecked, type Finding, type HostCheck } from '../check.ts'
import { tlsFinding } from '../tls-finding.ts'

/** The load balancer, by its own name. */
export const fallback: HostCheck = {
  title: 'fallback',
  async run({ target, fallbackProbe }) {
    const probe = await fallbackProbe()
    const { fallback: url } = target
    if (probe === undefined || url === undefined) return unchecked('none is configured')
    const { origin, hostname } = url
    switch (probe.step) {
      case 'connect':
        if (probe.code !== 'ENOTFOUND' && probe.code !== 'EAI_AGAIN') return down(origin, probe.message)
        return problem('fallback-unresolved', {
          what: `${origin} cannot be looked up: ${probe.message}`,
          cause: 'The load balancer was deleted or replaced, or its name is misspelt.',
          remedy: 'Compare with: aws elbv2 describe-load-balancers --query "LoadBalancers[].DNSName".',
        })
      case 'tls': {
        const { code, message } = probe
        const finding = tlsFinding(code, origin, message, hostname, 'fallback.pool.connect.ca')
        return { ...finding, id: `fallback-${finding.id}` }
      }
      case 'http':
        return down(origin, probe.message)
      case 'done': {
        const { status } = probe
        if (status !== 502 && status !== 503 && status !== 504)
          return fine(`${origin} answers${status === undefined ? '' : ` with ${status}`}`)
        return problem('fallback-fails', {
          what: `${origin} answers with ${status}`,
          cause: 'Its target group has no healthy targets, or they do not answer.',
          remedy:
            'Check the health of the target group: aws elbv2 describe-target-health --target-group-arn <arn>.',
        })
      }
    }
  },
}

function down(origin: string, message: string): Finding {
  return problem('fallback-down', {
    what: `${origin} cannot be called: ${message}`,
    cause: 'It has no listener on that port, or its security group does not admit this task.',
    remedy:
      'Check listener and security group of the load balancer. Calls that the tasks cannot take would fail.',
  })
}
