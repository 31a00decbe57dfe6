/** A service of three tasks in two zones, known to a local AWS, and a server that stands for its load balancer. */
import type { RequestListener } from 'node:http'
import { startFleet, startLocalAws, type Fleet, type LocalAws } from 'onehop/testing'
import { environmentOf, type Environment } from '../processes/cli.ts'
import { TestServer } from '../servers.ts'

export const BENCH_HOST = 'orders.shop.local'

export interface BenchWorld extends AsyncDisposable {
  readonly aws: LocalAws
  readonly fleet: Fleet
  readonly balancer: TestServer
  readonly url: string
  /** `onehop bench URL` with what it needs in this world. */
  readonly args: readonly string[]
  readonly env: Environment
}

/** @param handler of the tasks [a short text] */
export async function startBenchWorld(
  handler: RequestListener = (_request, response) => void response.end('fine'),
): Promise<BenchWorld> {
  const aws = await startLocalAws()
  const fleet = await startFleet({ tasks: 3, zones: ['eu-west-1a', 'eu-west-1b'], handler })
  aws.addService(BENCH_HOST, { ttlSeconds: 60 })
  for (const { id, address, port, zone } of fleet.tasks)
    aws.register(BENCH_HOST, id, { ipv4: address, port, ...(zone === undefined ? {} : { zone }) })
  const balancer = await new TestServer((_request, response) => void response.end('fine')).listen('127.0.0.1')
  const url = `http://${BENCH_HOST}:${fleet.port}/v1/orders`
  return {
    aws,
    fleet,
    balancer,
    url,
    args: ['bench', url, '--fallback', `http://${balancer.label}`, '--allow-loopback'],
    env: environmentOf(aws),
    async [Symbol.asyncDispose]() {
      await Promise.all([fleet.close(), balancer.kill(), aws.close()])
    },
  }
}
