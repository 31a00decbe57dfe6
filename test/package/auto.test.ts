/** `onehop/auto` of the package: an application is switched on by a flag, and knows nothing of it. */
import { startFleet, startLocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import { nodeOf } from '../support/processes/nodes.ts'
import { consumer, run } from './consumer.ts'

const user = consumer()

test.each(['22', '24', '26'])(
  '--import and --require switch an application on, on Node %s',
  async (major) => {
    await using aws = await startLocalAws()
    await using fleet = await startFleet({ tasks: 1 })
    const [task] = fleet.tasks
    aws.addService('orders.shop.local')
    aws.register('orders.shop.local', 'one', { ipv4: task?.address ?? '', port: task?.port ?? 0 })
    await user.write('auto.json', JSON.stringify({ allowLoopback: true }))
    await user.write(
      'switched-on.js',
      `import { get } from 'node:http'
     import { text } from 'node:stream/consumers'
     const url = 'http://orders.shop.local:${task?.port}/'
     const byHttp = await new Promise((resolve, reject) => get(url, (response) => resolve(text(response))).on('error', reject))
     const answers = [await (await fetch(url)).text(), byHttp]
     console.log(JSON.stringify(answers.map((answer) => JSON.parse(answer).task)))`,
    )
    const env = { ...process.env, ...aws.env, ONEHOP_NAMESPACES: 'shop.local', ONEHOP_CONFIG: 'auto.json' }
    const node = nodeOf(major)
    for (const flag of ['--import', '--require']) {
      const args = [flag, 'onehop/auto', 'switched-on.js']
      const { stdout, stderr } = await run(node, args, { cwd: user.folder, env })
      expect([JSON.parse(stdout), stderr]).toEqual([['task-1', 'task-1'], ''])
    }
  },
)

test('a wrong setting, and an older Node, stop the start with one line', async () => {
  const older =
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.5' } })"
  await user.write('older.cjs', older)
  const start = (variables: object, flags: readonly string[] = []): Promise<unknown> =>
    run(process.execPath, [...flags, '--import', 'onehop/auto', '-e', ''], {
      cwd: user.folder,
      env: { ...process.env, ONEHOP_NAMESPACES: 'shop.local', ...variables },
    })
  await expect(start({ ONEHOP_CONFIG: 'nowhere.json' })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^onehop\/auto: ONEHOP_CONFIG[^\n]*\n$/) as string,
  })
  await expect(start({}, ['--require', './older.cjs'])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^onehop\/auto: onehop needs Node 22\.19 or later[^\n]*\n$/) as string,
  })
})
