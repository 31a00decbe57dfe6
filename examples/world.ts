/**
 * Where the examples run: a local AWS with the service `orders.shop.local`, three tasks of it, and a load balancer. On
 * Fargate all of this exists, and `options` is empty.
 */
import type { ClientOptions } from 'onehop'
import { startFleet, startLocalAws, type Fleet, type LocalAws } from 'onehop/testing'
import { startBalancer } from './demo/balancer.ts'

export interface World extends AsyncDisposable {
  readonly aws: LocalAws
  readonly fleet: Fleet
  readonly balancer: string
  /** Points a client at the local AWS. */
  readonly options: ClientOptions
}

export async function startWorld(): Promise<World> {
  const aws = await startLocalAws()
  aws.addService('orders.shop.local')
  const fleet = await startFleet({ tasks: 3, zones: ['eu-west-1a', 'eu-west-1b'] })
  for (const { id, address, port, zone } of fleet.tasks) {
    aws.register('orders.shop.local', id, { ipv4: address, port, ...(zone === undefined ? {} : { zone }) })
  }
  const balancer = await startBalancer(fleet.tasks.map((task) => `${task.backAddress}:${task.port}`))
  return {
    aws,
    fleet,
    balancer: balancer.origin,
    options: {
      dns: { servers: [aws.dns.server] },
      cloudMap: aws.cloudMap,
      allowLoopback: true,
      port: fleet.port,
    },
    async [Symbol.asyncDispose]() {
      await balancer[Symbol.asyncDispose]()
      await fleet.close()
      await aws.close()
    },
  }
}
