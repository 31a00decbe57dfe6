/** Registration with the real AWS SDK against the local Cloud Map, with real servers. */
import { createServer } from 'node:http'
import { register, type RegisterOptions, type Registration } from 'onehop/ecs'
import { startLocalAws, type LocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import { resources } from '../../../support/resources.ts'

const { keep } = resources()
const HOST = 'orders.shop.local'

test('a task registers itself with its zone, and leaves nothing behind', async () => {
  const aws = keep(await startLocalAws())
  const { id } = aws.addService(HOST, { ttlSeconds: 20 })
  const registration = keep(
    register({
      services: { service: id, port: 8080 },
      cloudMap: aws.cloudMap,
      env: aws.metadata.env,
    }),
  )
  expect(registration.state).toBe('waiting')
  await registration.registered
  expect(registration.state).toBe('registered')
  const task = aws.metadata.task
  expect(registration.instances).toEqual([
    { service: id, id: task.taskId, address: '10.0.11.42', port: 8080, ttlMs: 20_000 },
  ])
  expect(aws.instances(HOST)).toEqual([
    {
      id: task.taskId,
      health: 'HEALTHY',
      attributes: {
        AWS_INSTANCE_IPV4: '10.0.11.42',
        AWS_INSTANCE_PORT: '8080',
        AVAILABILITY_ZONE: task.zone,
        REGION: task.region,
        ECS_CLUSTER_NAME: 'shop',
        ECS_TASK_DEFINITION_FAMILY: 'orders',
      },
    },
  ])
  expect(await registration.deregister()).toBe('done')
  expect(registration.state).toBe('gone')
  expect(aws.instances(HOST)).toEqual([])
})
