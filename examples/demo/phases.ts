/**
 * The phases of the demo. Each is a function that lists in `problems` what did not happen as it should.
 */
import { AttemptsExhaustedError } from 'onehop'
import { compare } from './compare.ts'
import { deploy } from './deployment.ts'
import { closedLoop, openLoop, type Shot } from './load.ts'
import { phaseReport, round, type PhaseReport } from './report.ts'
import type { DemoWorld } from './world.ts'

const PER_SECOND = 200

export interface Phase {
  readonly name: string
  /** One line, shown while the phase runs. */
  readonly says: string
  /** Why its numbers are as they are, shown below the table. */
  readonly explains: string
  run(world: DemoWorld): Promise<PhaseReport>
}

export const phases: readonly Phase[] = [
  {
    name: 'discover',
    says: 'find the tasks by DNS and by the Cloud Map API',
    explains: 'A records carry no zone; the API does.',
    run: discover,
  },
  {
    name: 'spread',
    says: '3,000 requests to three tasks, 20 at a time',
    explains:
      'The percentages are shares of the requests. A call goes to the task that is expected to answer first, so the ' +
      'shares follow latency and are not equal. p50 is higher than in the rows below it, because 20 requests at a time ' +
      'compete for the cores of this machine.',
    run: spread,
  },
  {
    name: 'kill',
    says: `one of three tasks is killed (SIGKILL), at ${PER_SECOND} requests a second`,
    explains:
      'Discovery lists the dead task until it is deregistered, as ECS does after some seconds. A client that connects ' +
      'to it is refused, calls another task, and ejects the dead one. Then 2 of 3 tasks are left. onehop gives tasks ' +
      'at most 1.4 times their normal load, 1.4 x 2/3 = 93 % of the calls; the other 7 % go through the load balancer, ' +
      'although two tasks are healthy. A client that does not call the dead task ejects nothing and sends nothing ' +
      'there, so the count differs from run to run, and may be 0. Clients see the deregistration within one TTL (2 s ' +
      'here). Then 2 of 2 tasks work, and all calls are direct again.',
    run: kill,
  },
  {
    name: 'scale out',
    says: 'two tasks are added, at the same rate',
    explains:
      'The share of a new task grows from 10 % of a full one to the whole within 10 s (slow start). The phase ends ' +
      'earlier, so the shares of task-4 and task-5 are small here.',
    run: scaleOut,
  },
  {
    name: 'cut',
    says: 'the tasks refuse direct calls; the load balancer still reaches them',
    explains:
      'As after a wrong change of a security group. A task that refuses a connection is ejected at once. A refused ' +
      'call was never sent, so onehop repeats it, at last through the load balancer: none fails. directShare is the ' +
      'share of the calls that goes to tasks: 0 when all of them are ejected.',
    run: cut,
  },
  {
    name: 'restore',
    says: 'the tasks accept direct calls again',
    explains:
      'A single call, the probe, goes to an ejected task after 1 s, then after 2, 4, 8 s and so on, up to 30 s. The ' +
      'first that succeeds readmits it. The time above is what was left of that wait; until then calls go through the ' +
      'load balancer.',
    run: restore,
  },
  {
    name: 'deploy',
    says: 'all three tasks of another service are replaced under POST load; each leaves by gracefulShutdown()',
    explains:
      'This is about the called tasks: POSTs are not retried once they are sent, and http.Agent knows nothing of Cloud ' +
      'Map, yet none fails. A task that leaves answers with connection: close, and serves on until no DNS answer names ' +
      'it: deregistration (1 s after SIGTERM here), propagation and TTL.',
    run: deploy,
  },
  {
    name: 'compare',
    says: 'onehop bench: direct requests and requests through the load balancer, in random order',
    explains:
      'The row in the table has the direct requests alone. Its p99 is of too few calls to be compared: a percentile ' +
      'needs 100 calls beyond it. The control compares two copies of one path, which shows whether the method works ' +
      'here. Both paths stay on loopback, so the difference is only what the proxy itself costs. A real ALB adds a ' +
      'network hop, often into another zone. Run onehop bench on a task, and for longer.',
    run: compare,
  },
]

async function discover({ clients, host }: DemoWorld): Promise<PhaseReport> {
  const start = performance.now()
  const notes: string[] = []
  const problems: string[] = []
  const endpoints: string[] = []
  for (const client of [clients.dns, clients.api]) {
    const snapshot = await client.resolve(host)
    const freshMs = client.inspect().services[host]?.expiresInMs ?? 0
    const found = snapshot.endpoints.map(({ address, zone }) =>
      zone === undefined ? address : `${address} (${zone})`,
    )
    const expiresInSeconds = round(freshMs / 1_000, 1)
    notes.push(`${snapshot.source}: ${found.toSorted().join(', ')}; looked up again in ${expiresInSeconds} s`)
    endpoints.push(...found)
    if (found.length !== 3) problems.push(`${snapshot.source} found ${found.length} of 3 tasks`)
  }
  return phaseReport([], seconds(start), { endpoints, notes, problems })
}

async function spread({ fetches, url, fleet }: DemoWorld): Promise<PhaseReport> {
  const start = performance.now()
  const shots = await closedLoop(fetches, url, 3_000, 20)
  const report = phaseReport(shots, seconds(start), {})
  const fair = 1 / fleet.tasks.length
  const uneven = fleet.tasks.filter(({ id }) => (report.shares[id] ?? 0) < fair / 2)
  const problems = uneven.map(({ id }) => `${id} got ${report.shares[id] ?? 0} of the requests`)
  if (report.viaFallback > 0) problems.push(`${report.viaFallback} requests went to the load balancer`)
  return { ...report, notes: [sharesOf(report)], problems: [...report.problems, ...problems] }
}

async function kill({ fetches, url, fleet, aws, host }: DemoWorld): Promise<PhaseReport> {
  const start = performance.now()
  const victim = fleet.tasks[0]
  if (victim === undefined) throw new Error('the fleet has no tasks')
  let killed: Promise<void> | undefined
  // The kernel closes the connections of a process before its parent hears of its end: from then on no client counts on them.
  let heardAt = Number.POSITIVE_INFINITY
  let deregisteredAt = Number.POSITIVE_INFINITY
  const shots = await openLoop(fetches, url, PER_SECOND, (_shots, elapsed) => {
    if (elapsed > 1 && killed === undefined) {
      killed = victim.kill().then(() => void (heardAt = performance.now()))
    }
    // ECS notices after a while. Until then discovery lists a dead task.
    if (elapsed > 3 && deregisteredAt === Number.POSITIVE_INFINITY) {
      deregisteredAt = performance.now()
      aws.deregister(host, victim.id)
    }
    return elapsed > 5
  })
  await killed
  const wasInFlight = (shot: Shot): boolean =>
    shot.method === 'POST' &&
    shot.startedAt <= heardAt &&
    brokeOffOn(shot, `${victim.address}:${victim.port}`)
  const later = shots.filter((shot) => shot.startedAt > heardAt)
  const problems: string[] = []
  if (later.some((shot) => shot.task === victim.id)) problems.push('the killed task answered')
  const report = phaseReport(shots, seconds(start), { wasInFlight, problems })
  const via = later.filter((shot) => shot.viaBalancer)
  const before = via.filter((shot) => shot.startedAt < deregisteredAt).length
  return {
    ...report,
    notes: [
      `${victim.id} killed after 1 s, deregistered after 3 s`,
      `through the load balancer: ${before} calls before it was deregistered, ${via.length - before} after`,
    ],
  }
}

async function scaleOut({ fetches, url, fleet, register }: DemoWorld): Promise<PhaseReport> {
  const start = performance.now()
  const added = [await fleet.add(), await fleet.add()]
  added.forEach(register)
  let firstCallAfter: number | undefined
  const shots = await openLoop(fetches, url, PER_SECOND, (soFar, elapsed) => {
    const found = added.every(({ id }) => soFar.some((shot) => shot.task === id))
    if (found) firstCallAfter ??= elapsed
    return elapsed > 10 || (firstCallAfter !== undefined && elapsed > firstCallAfter + 1.5)
  })
  const problems = firstCallAfter === undefined ? ['the new tasks got no calls within 10 s'] : []
  const report = phaseReport(shots, seconds(start), { problems })
  const when = `both got calls ${round(firstCallAfter ?? 0, 1)} s after registration`
  return { ...report, notes: [when, sharesOf(report)] }
}

async function cut({ fetches, url, fleet, clients }: DemoWorld): Promise<PhaseReport> {
  const start = performance.now()
  const alive = fleet.tasks.filter((task) => task.alive)
  const shotsBefore = await openLoop(fetches, url, PER_SECOND, (_shots, elapsed) => elapsed > 0.5)
  await Promise.all(alive.map((task) => task.cut()))
  const shots = await openLoop(fetches, url, PER_SECOND, (_shots, elapsed) => elapsed > 4)
  const settled = shots.slice(-PER_SECOND)
  const via = settled.filter((shot) => shot.viaBalancer).length
  const problems =
    via < settled.length * 0.95 ? [`${via} of the last ${settled.length} went to the load balancer`] : []
  const share = clients.dns.inspect().services['orders.shop.local']
  const direct = Object.values(share?.origins ?? {})[0]?.directShare
  const report = phaseReport([...shotsBefore, ...shots], seconds(start), { problems })
  return {
    ...report,
    notes: [
      `in the last second ${via} of ${settled.length} calls went through the load balancer; inspect() reports directShare ${direct}`,
    ],
  }
}

async function restore({ fetches, url, fleet }: DemoWorld): Promise<PhaseReport> {
  const start = performance.now()
  await Promise.all(fleet.tasks.filter((task) => task.alive).map((task) => task.restore()))
  let directAfter: number | undefined
  const shots = await openLoop(fetches, url, PER_SECOND, (soFar, elapsed) => {
    const lately = soFar.slice(-PER_SECOND)
    const direct = lately.length === PER_SECOND && lately.every((shot) => !shot.viaBalancer)
    if (direct) directAfter ??= elapsed - 1
    return directAfter !== undefined || elapsed > 15
  })
  const problems = directAfter === undefined ? ['calls still went to the load balancer after 15 s'] : []
  const report = phaseReport(shots, seconds(start), { problems })
  return {
    ...report,
    notes: [`all calls are direct ${round(directAfter ?? 0, 1)} s after the tasks accept them`],
  }
}

function sharesOf(report: PhaseReport): string {
  const shares = Object.entries(report.shares).toSorted(([a], [b]) => a.localeCompare(b))
  return shares.map(([task, share]) => `${task} ${Math.round(share * 100)} %`).join(', ')
}

/** Whether the last attempt of a failed call was on this upstream, and failed after the request was sent. */
function brokeOffOn(shot: Shot, upstream: string): boolean {
  const cause = shot.error?.cause
  if (!(cause instanceof AttemptsExhaustedError)) return false
  const last = cause.attempts.at(-1)
  return last?.upstream === upstream && last.outcome.kind === 'transport-error' && last.outcome.sent
}

function seconds(start: number): number {
  return (performance.now() - start) / 1_000
}
