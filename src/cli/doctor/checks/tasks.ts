import { formatAddressPort } from '../../../core/ip.ts'
import { listed } from '../../terminal/counted.ts'
import { unchecked, type Finding, type HostCheck } from '../check.ts'
import type { HostContext, TaskProbe } from '../context.ts'
import { tlsFinding } from '../tls-finding.ts'

/** A connection, TLS and an answer from each task. */
export const tasks: HostCheck = {
  title: 'tasks',
  async run(context) {
    const probes = await context.probes()
    if (probes.length === 0) return unchecked('none to connect to')
    const good = probes.filter(({ probe }) => probe.step === 'done')
    const refusing = failing(probes, 'connect').filter(({ probe }) => codeOf(probe) === 'ECONNREFUSED')
    const unreachable = failing(probes, 'connect').filter((one) => !refusing.includes(one))
    const silent = failing(probes, 'http').filter(({ probe }) => codeOf(probe) === 'TIMEOUT')
    const otherwise = failing(probes, 'http').filter((one) => !silent.includes(one))
    const findings = [
      ...each(refusing, () => refused(refusing, probes, context)),
      ...each(unreachable, () => timedOut(unreachable, probes)),
      ...tlsFindings(probes, context),
      ...each(silent, hangs),
      ...each(otherwise, (failed) => noHttp(failed, context)),
      ...each(
        good.filter(({ probe }) => isServerError(probe)),
        serverErrors,
      ),
    ]
    const what = context.target.isTls ? 'connect, with TLS' : 'connect'
    return { facts: [`${good.length} of ${probes.length} ${what} and answer`], findings }
  },
}

type Failed = readonly TaskProbe[]

/** One finding for all of them. */
function each(failed: Failed, find: (failed: Failed) => Finding): Finding[] {
  return failed.length === 0 ? [] : [{ ...find(failed), places: failed.map(placeOf) }]
}

function failing(probes: Failed, step: 'connect' | 'tls' | 'http'): Failed {
  return probes.filter(({ probe }) => probe.step === step)
}

function someAccept(probes: Failed): boolean {
  return probes.some(({ probe }) => probe.step !== 'connect')
}

function codeOf(probe: TaskProbe['probe']): string {
  return probe.step === 'done' ? '' : probe.code
}

function messageOf([first]: Failed): string {
  return first === undefined || first.probe.step === 'done' ? '' : first.probe.message
}

function placeOf({ row, port }: TaskProbe): string {
  return formatAddressPort(row.address, port)
}

function placesOf(failed: Failed): string {
  return listed(failed.map(placeOf))
}

function refused(failed: Failed, all: Failed, { target, options }: HostContext): Finding {
  const registered = failed[0]?.row.port
  const called = failed[0]?.port
  const what = `${placesOf(failed)} ${failed.length === 1 ? 'refuses' : 'refuse'} connections`
  if (registered !== undefined && called !== registered)
    return {
      id: 'wrong-port',
      level: 'problem',
      what: `${what}; the registration has port ${registered}`,
      cause: `The ${target.port === undefined ? 'option port' : 'URL'} names port ${called}, and comes before the registration.`,
      remedy: `Leave the port out, or use ${registered}.`,
    }
  if (someAccept(all))
    return {
      id: 'dead-task',
      level: 'warning',
      what: `${what}; the other tasks accept them`,
      cause: 'Its process has ended or is not listening yet, and the task is still registered.',
      remedy:
        'Clients eject it, and go on. If it stays: look at its logs, and add a container health check, so that ECS replaces it.',
    }
  if (registered === undefined && target.port === undefined && options.port === undefined)
    return {
      id: 'port-unknown',
      level: 'problem',
      what: `${what}: ${called} is the default of the scheme, since nothing names a port`,
      cause: 'A records have no port, and neither the URL nor the option port has one.',
      remedy:
        'Write the port into the URL, give --port (the option port of the client), or register SRV records.',
    }
  return {
    id: 'closed-port',
    level: 'problem',
    what: `${failed.length === 1 ? '' : `all ${failed.length} tasks: `}${what}`,
    cause: 'The application listens on another port, on 127.0.0.1 only, or not yet.',
    remedy:
      'Listen on 0.0.0.0 or ::, on the port that is registered (containerPort of the service registry).',
  }
}

function timedOut(failed: Failed, all: Failed): Finding {
  const what = `no connection to ${placesOf(failed)}: ${messageOf(failed)}`
  if (someAccept(all))
    return {
      id: 'unreachable-task',
      level: 'warning',
      what: `${what}; the other tasks accept connections`,
      cause:
        'The task has stopped and is still registered, or lies in a subnet whose ACL or route refuses this one.',
      remedy:
        'Clients eject it, and go on. If it stays: deregister the instance, or compare the network ACLs of the subnets.',
    }
  return {
    id: 'unreachable',
    level: 'problem',
    what,
    cause:
      "The tasks' security group admits the load balancer, and not this task; or there is no route between the subnets.",
    remedy:
      "Admit the caller's security group on the tasks' port: aws ec2 authorize-security-group-ingress --group-id <tasks> --source-group <caller>.",
  }
}

function tlsFindings(probes: Failed, { target }: HostContext): Finding[] {
  const byCode = Map.groupBy(failing(probes, 'tls'), ({ probe }) => codeOf(probe))
  return Array.from(byCode, ([code, failed]) =>
    tlsFinding(
      code,
      placesOf(failed),
      messageOf(failed),
      target.host,
      '--ca, and pool.connect.ca in the application',
    ),
  )
}

function accept({ length }: Failed): string {
  return length === 1 ? 'accepts' : 'accept'
}

function hangs(failed: Failed): Finding {
  return {
    id: 'task-hangs',
    level: 'problem',
    what: `${placesOf(failed)} ${accept(failed)} connections, and ${failed.length === 1 ? 'does' : 'do'} not answer HEAD: ${messageOf(failed)}`,
    cause: 'The process is stopped, out of memory, or blocked; or what listens there is no HTTP server.',
    remedy:
      "Look at the task's CPU, memory and event loop. timeouts.attemptMs limits what a call waits for it.",
  }
}

function noHttp(failed: Failed, { target }: HostContext): Finding {
  const secure = target.isTls ? 'gRPC without HTTP/1.1' : 'HTTPS (call https://), gRPC'
  return {
    id: 'not-http',
    level: 'problem',
    what: `${placesOf(failed)} ${accept(failed)} connections: ${messageOf(failed)}`,
    cause: `Another protocol listens on that port: ${secure}, a database, or a port of another container.`,
    remedy:
      'Register the port of the HTTP server (containerName and containerPort of the service registry), or write it into the URL.',
  }
}

function isServerError(probe: TaskProbe['probe']): boolean {
  // 501: HEAD is not implemented.
  return probe.step === 'done' && (probe.status ?? 0) >= 500 && probe.status !== 501
}

function serverErrors(failed: Failed): Finding {
  const [first] = failed
  const status = first?.probe.step === 'done' ? first.probe.status : undefined
  return {
    id: 'task-fails',
    level: 'warning',
    what: `${placesOf(failed)} ${failed.length === 1 ? 'answers' : 'answer'} HEAD with ${status}`,
    cause: 'The application fails for this path, or for all.',
    remedy: 'Give the path of a health check in the URL. If that fails too, look at the logs of the task.',
  }
}
