/** A local Cloud Map and DNS for the tasks at these addresses: `node aws.ts ADDRESS ...`. Prints where they are, as JSON. */
import { startLocalAws } from 'onehop/testing'

export const HOST = 'orders.shop.local'

/** What a client needs to use it. */
export interface AwsPlace {
  readonly dns: string
  readonly endpoint: string
  readonly region: string
}

if (import.meta.main) {
  const aws = await startLocalAws()
  aws.addService(HOST, { ttlSeconds: 10 })
  for (const [index, ipv4] of process.argv.slice(2).entries())
    aws.register(HOST, `task-${index + 1}`, { ipv4, zone: `eu-west-1${'abc'[index] ?? 'a'}` })
  const place: AwsPlace = { dns: aws.dns.server, endpoint: aws.cloudMap.endpoint, region: aws.region }
  console.log(JSON.stringify(place))
}
