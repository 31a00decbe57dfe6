import { test } from 'vitest'
import { expectFailures, play } from './play.ts'
import { deployment, halfWithoutDns } from '../../chaos/scenarios/deployments.ts'

test('a deployment that replaces all tasks fails nothing, with answers of DNS that are up to a TTL old', async () => {
  expectFailures(await play(deployment))
})

test('half a deployment without DNS fails nothing', async () => {
  expectFailures(await play(halfWithoutDns))
})
