/** The AWS SDK is loaded by the first call of the API. What keeps it from being read then may be over a moment later. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ClientOptions } from 'onehop'
import { expect, test } from 'vitest'
import { startLocalAws } from '../../../../src/testing/local-aws/start-local-aws.ts'

const PROGRAM = fileURLToPath(new URL('../../../support/processes/refused-sdk.ts', import.meta.url))

test('a process that was out of file descriptors at the first lookup uses the API for the next one', async () => {
  await using aws = await startLocalAws()
  aws.addService('orders.shop.local')
  aws.register('orders.shop.local', 'one', { ipv4: '127.0.1.1', port: 8080 })
  const options: ClientOptions = {
    ...{ namespaces: ['shop.local'], discovery: 'api', allowLoopback: true, cloudMap: aws.cloudMap },
  }
  const flags = ['--conditions=onehop:source', '--disable-warning=ExperimentalWarning']
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, PROGRAM, JSON.stringify(options)])
  expect(JSON.parse(stdout)).toEqual([expect.stringContaining('EMFILE'), 'cloud-map'])
})
