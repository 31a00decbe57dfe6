import { test } from 'vitest'
import { expectFailures, holds } from './play.ts'
import { deployment, halfWithoutDns } from '../../chaos/scenarios/deployments.ts'

test('a deployment that replaces all tasks fails nothing, with answers of DNS that are up to a TTL old', async () => {
  await holds(deployment, expectFailures)
})

test('half a deployment without DNS fails nothing', async () => {
  await holds(halfWithoutDns, expectFailures)
})
