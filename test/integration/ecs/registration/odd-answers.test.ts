/** Answers that the local AWS does not give, from a server that says what a test wants. */
import { register, type RegisterOptions, type Registration } from 'onehop/ecs'
import { expect, onTestFinished, test } from 'vitest'
import { hourClock, HOUR_MS } from '../../../support/hour-clock.ts'
import { apiError, apiServer, type ApiServer, type Respond } from '../../../support/cloud-map-server.ts'

const CREDENTIALS = { accessKeyId: 'AKIAODDEXAMPLE', secretAccessKey: 'secret-of-the-test' }

/** By operation; what is not there succeeds. */
async function serverOf(answers: Readonly<Record<string, Respond>>): Promise<ApiServer> {
  return apiServer((response, call) => {
    const operation = call.target?.split('.').at(-1) ?? ''
    const answer = answers[operation]
    if (answer !== undefined) return answer(response, call)
    const body = {
      GetOperation: { Operation: { Status: 'SUCCESS' } },
      RegisterInstance: { OperationId: 'o' },
    }
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' })
    response.end(JSON.stringify(body[operation as keyof typeof body] ?? {}))
  })
}

function registered({ endpoint }: ApiServer, options: Partial<RegisterOptions> = {}): Registration {
  const registration = register({
    services: { service: 'srv-odd', port: 8080 },
    place: { id: 'one', ipv4: '10.0.0.1' },
    cloudMap: { endpoint, region: 'eu-west-1', credentials: CREDENTIALS },
    random: { next: () => 0.1 },
    ...options,
  })
  onTestFinished(async () => void (await registration.deregister({ withinMs: 100 })))
  return registration
}

test('a clock that is hours off is set by the first answer, as the SDK does it', async () => {
  let calls = 0
  const hourAhead = (): string => new Date(Date.now() + 7_200_000).toISOString().slice(11, 13)
  const before = hourAhead()
  const server = await serverOf({
    GetService: (response, call) => {
      response.setHeader('date', new Date(Date.now() + 7_200_000).toUTCString())
      if (calls++ === 0) apiError(403, 'RequestTimeTooSkewed')(response, call)
      else response.writeHead(200).end('{}')
    },
  })
  await registered(server).registered
  const [, second] = server.calls
  const signedAt = /^(\d{4})(\d\d)(\d\d)T(\d\d)/.exec(String(second?.headers['x-amz-date']))
  expect([before, hourAhead()]).toContain(signedAt?.[4])
})

test('credentials that are not accepted: denied, without an action to add', async () => {
  const server = await serverOf({ GetService: apiError(403, 'UnrecognizedClientException') })
  const error: unknown = await registered(server).registered.catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    failure: 'denied',
    action: undefined,
    message: expect.stringContaining('does not accept the credentials') as string,
  })
  expect(JSON.stringify(error) + String(error)).not.toContain(CREDENTIALS.secretAccessKey)
})

test('Route 53 denied to the caller: the action that AWS names', async () => {
  const text =
    'User: arn:aws:sts::111122223333:assumed-role/task/1 is not authorized to perform: ' +
    'route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/Z1 because no policy allows it'
  const server = await serverOf({ RegisterInstance: apiError(400, 'AccessDeniedException', text) })
  await expect(registered(server).registered).rejects.toMatchObject({
    failure: 'denied',
    action: 'route53:ChangeResourceRecordSets',
    resource: 'arn:aws:route53:::hostedzone/Z1',
  })
})

test.each<[string, Respond]>([
  ['no JSON', (response) => response.writeHead(200).end('<html>')],
  ['half an answer', (response) => response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{')],
  ['a reset', (response) => response.socket?.resetAndDestroy()],
  ['no status of a service', (response) => response.writeHead(500).end()],
])('%s is an outage, retried', async (_name, answer) => {
  const asked = Promise.withResolvers<void>()
  let calls = 0
  const server = await serverOf({
    ListInstances: (response, call) => {
      if (++calls === 2) asked.resolve()
      return answer(response, call)
    },
  })
  const clock = hourClock()
  const { registered: done } = registered(server, { clock, registerMs: HOUR_MS })
  await Promise.race([asked.promise, done])
  await clock.pass(HOUR_MS)
  await expect(done).rejects.toMatchObject({ failure: 'outage' })
})

test('an operation with null for what AWS leaves out', async () => {
  const nulls = { Operation: { Id: null, Type: null, Status: 'SUCCESS', ErrorCode: null } }
  const server = await serverOf({
    GetOperation: (response) => response.writeHead(200).end(JSON.stringify(nulls)),
    ListInstances: (response) => response.writeHead(200).end('{"Instances":null,"NextToken":null}'),
    GetService: (response) => response.writeHead(200).end('{"Service":{"DnsConfig":null,"Arn":null}}'),
  })
  await registered(server).registered
})

test('a list that repeats its token ends', async () => {
  const server = await serverOf({
    ListInstances: (response) => response.writeHead(200).end('{"Instances":[],"NextToken":"again"}'),
  })
  await registered(server).registered
  expect(server.calls.filter(({ target }) => target?.endsWith('ListInstances'))).toHaveLength(2)
})
