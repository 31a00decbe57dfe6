/** A process that registers itself, for what only a process shows: when it ends, and what it has loaded. */
import { registerHooks } from 'node:module'

export interface RegisteredScript {
  readonly service: string
  readonly cloudMap: { readonly endpoint: string; readonly region: string; readonly credentials: object }
  /** - `leave`: registers, deregisters, and does nothing else
   *  - `stay`: registers, and has nothing else to do
   *  - `forget`: does not await anything */
  readonly does: 'leave' | 'stay' | 'forget'
}

export interface RegisteredReport {
  readonly state: string
  /** Files of the AWS SDK that the import of `onehop/ecs` loaded, and that were loaded in the end. */
  readonly sdkAtImport: number
  readonly sdkInTheEnd: number
  /** How long it waited, with nothing to do, until it ended. On a busy machine it may live on for longer. */
  readonly idleMs: number
}

const loaded: string[] = []
registerHooks({
  load(url, context, next) {
    loaded.push(url)
    return next(url, context)
  },
})
const sdkFiles = (): number => loaded.filter((url) => /@aws-sdk|@smithy/.test(url)).length

const { service, cloudMap, does } = JSON.parse(process.argv[2] ?? '') as RegisteredScript
const { register } = await import('onehop/ecs')
const sdkAtImport = sdkFiles()
const registration = register({
  services: { service, port: 8080 },
  place: { id: 'one', ipv4: '10.0.0.1' },
  cloudMap: cloudMap as NonNullable<Parameters<typeof register>[0]['cloudMap']>,
})
let whenDone = performance.eventLoopUtilization()
if (does !== 'forget') {
  await registration.registered
  whenDone = performance.eventLoopUtilization()
}
if (does === 'leave') {
  await registration.deregister()
  whenDone = performance.eventLoopUtilization()
}
process.on('exit', () => {
  const idleMs = Math.round(performance.eventLoopUtilization(whenDone).idle)
  const report: RegisteredReport = {
    state: registration.state,
    sdkAtImport,
    sdkInTheEnd: sdkFiles(),
    idleMs,
  }
  console.log(JSON.stringify(report))
})
