import { listed, plural } from '../../terminal/counted.ts'
import { placeOf } from '../../endpoints/compare.ts'
import { problem, unchecked, warning, type Finding, type HostCheck } from '../check.ts'
import type { HostContext, TaskProbe } from '../context.ts'
import { tlsFinding } from '../tls-finding.ts'

/** A connection, TLS and an answer from each task. */
export const tasks: HostCheck = {
  title: 'tasks',
  async run(context) {
    const probes = await context.probes()
    if (probes.length === 0) return unchecked('none to connect to')
    const groups = Map.groupBy(probes, (one) => kindOf(one.probe))
    const about = (kind: string, find: (failed: Failed) => Finding): Finding[] => {
      const failed = groups.get(kind)
      return failed === undefined ? [] : [{ ...find(failed), places: failed.map(calledAt) }]
    }
    const good = probes.filter(({ probe }) => probe.step === 'done')
    const findings = [
      ...about('refuses', (failed) => refuses(failed, probes, context)),
      ...about('unreachable', (failed) => unreachable(failed, probes)),
      ...[...groups.keys()]
        .filter((kind) => kind.startsWith(TLS))
        .flatMap((kind) => about(kind, (failed) => badTls(failed, kind.slice(TLS.length), context))),
      ...about('hangs', hangs),
      ...about('not-http', (failed) => notHttp(failed, context)),
      ...about('fails', fails),
    ]
    const what = context.target.isTls ? 'connect, with TLS' : 'connect'
    return { facts: [`${good.length} of ${probes.length} ${what} and answer`], findings }
  },
}

const TLS = 'tls '

/** What is one finding together; failed handshakes by Node's code. */
function kindOf(probe: TaskProbe['probe']): string {
  switch (probe.step) {
    case 'connect':
      return probe.code === 'ECONNREFUSED' ? 'refuses' : 'unreachable'
    case 'tls':
      return `${TLS}${probe.code}`
    case 'http':
      return probe.code === 'TIMEOUT' ? 'hangs' : 'not-http'
    case 'done':
      // 501: HEAD is not implemented.
      return (probe.status ?? 0) >= 500 && probe.status !== 501 ? 'fails' : 'fine'
  }
}

type Failed = readonly TaskProbe[]

function someAccept(probes: Failed): boolean {
  return probes.some(({ probe }) => probe.step !== 'connect')
}

function messageOf([first]: Failed): string {
  return first === undefined || first.probe.step === 'done' ? '' : first.probe.message
}

function calledAt({ row: { address }, port }: TaskProbe): string {
  return placeOf({ address, port })
}

function placesOf(failed: Failed): string {
  return listed(failed.map(calledAt))
}

function refuses(failed: Failed, all: Failed, { target, options }: HostContext): Finding {
  const registered = failed[0]?.row.port
  const called = failed[0]?.port
  const what = `${placesOf(failed)} ${plural(failed, 'refuses', 'refuse')} connections`
  if (registered !== undefined && called !== registered)
    return problem('wrong-port', {
      what: `${what}; the registration has port ${registered}`,
      cause: `The ${target.port === undefined ? 'option port' : 'URL'} names port ${called}, and comes before the registration.`,
      remedy: `Leave the port out, or use ${registered}.`,
    })
  if (someAccept(all))
    return warning('dead-task', {
      what: `${what}; the other tasks accept them`,
      cause: 'Its process has ended or is not listening yet, and the task is still registered.',
      remedy:
        'Clients eject it, and go on. If it stays: look at its logs, and add a container health check, so that ECS replaces it.',
    })
  if (registered === undefined && target.port === undefined && options.port === undefined)
    return problem('port-unknown', {
      what: `${what}: ${called} is the default of the scheme, since nothing names a port`,
      cause: 'A records have no port, and neither the URL nor the option port has one.',
      remedy:
        'Write the port into the URL, give --port (the option port of the client), or register SRV records.',
    })
  return problem('closed-port', {
    what: `${failed.length === 1 ? '' : `all ${failed.length} tasks: `}${what}`,
    cause: 'The application listens on another port, on 127.0.0.1 only, or not yet.',
    remedy:
      'Listen on 0.0.0.0 or ::, on the port that is registered (containerPort of the service registry).',
  })
}

function unreachable(failed: Failed, all: Failed): Finding {
  const what = `no connection to ${placesOf(failed)}: ${messageOf(failed)}`
  if (someAccept(all))
    return warning('unreachable-task', {
      what: `${what}; the other tasks accept connections`,
      cause:
        'The task has stopped and is still registered, or lies in a subnet whose ACL or route refuses this one.',
      remedy:
        'Clients eject it, and go on. If it stays: deregister the instance, or compare the network ACLs of the subnets.',
    })
  return problem('unreachable', {
    what,
    cause:
      "The tasks' security group admits the load balancer, and not this task; or there is no route between the subnets.",
    remedy:
      "Admit the caller's security group on the tasks' port: aws ec2 authorize-security-group-ingress --group-id <tasks> --source-group <caller>.",
  })
}

function badTls(failed: Failed, code: string, { target }: HostContext): Finding {
  const option = '--ca, and pool.connect.ca in the application'
  return tlsFinding(code, placesOf(failed), messageOf(failed), target.host, option)
}

function hangs(failed: Failed): Finding {
  return problem('task-hangs', {
    what: `${placesOf(failed)} ${plural(failed, 'accepts', 'accept')} connections, and ${plural(failed, 'does', 'do')} not answer HEAD: ${messageOf(failed)}`,
    cause: 'The process is stopped, out of memory, or blocked; or what listens there is no HTTP server.',
    remedy:
      "Look at the task's CPU, memory and event loop. timeouts.attemptMs limits what a call waits for it.",
  })
}

function notHttp(failed: Failed, { target }: HostContext): Finding {
  const secure = target.isTls ? 'gRPC without HTTP/1.1' : 'HTTPS (call https://), gRPC'
  return problem('not-http', {
    what: `${placesOf(failed)} ${plural(failed, 'accepts', 'accept')} connections: ${messageOf(failed)}`,
    cause: `Another protocol listens on that port: ${secure}, a database, or a port of another container.`,
    remedy:
      'Register the port of the HTTP server (containerName and containerPort of the service registry), or write it into the URL.',
  })
}

function fails(failed: Failed): Finding {
  const [first] = failed
  const status = first?.probe.step === 'done' ? first.probe.status : undefined
  return warning('task-fails', {
    what: `${placesOf(failed)} ${plural(failed, 'answers', 'answer')} HEAD with ${status}`,
    cause: 'The application fails for this path, or for all.',
    remedy: 'Give the path of a health check in the URL. If that fails too, look at the logs of the task.',
  })
}
