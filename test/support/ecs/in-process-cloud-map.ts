/** The local Cloud Map without HTTP, so that registration runs on virtual time from end to end. */
import { sleep } from '../../../src/core/clock.ts'
import type {
  InputOf,
  OperationName,
  OutputOf,
  Transport,
} from '../../../src/ecs/registration/cloud-map/calls.ts'
import { ServiceRegistration } from '../../../src/ecs/registration/register.ts'
import type { RegisterOptions } from '../../../src/ecs/registration/options/options.ts'
import { registerSettings } from '../../../src/ecs/registration/options/read-options.ts'
import { manualClock, type ManualClock } from '../../../src/testing/fakes/manual-clock.ts'
import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'
import { accountOf, type Account } from '../../../src/testing/local-aws/account.ts'
import type { AwsError } from '../../../src/testing/local-aws/cloud-map/aws-error.ts'
import { FaultPlan, type CloudMapFaults } from '../../../src/testing/local-aws/cloud-map/faults.ts'
import { handleRequest } from '../../../src/testing/local-aws/cloud-map/handle-request.ts'
import { Registry } from '../../../src/testing/local-aws/registry.ts'

/** One request that was sent. */
export interface SentRequest {
  readonly at: number
  readonly name: OperationName
  readonly input: Readonly<Record<string, unknown>>
}

export class InProcessCloudMap implements Transport {
  readonly clock: ManualClock = manualClock()
  readonly registry: Registry
  readonly account: Account
  readonly faults: CloudMapFaults
  readonly sent: SentRequest[] = []
  readonly #plan: FaultPlan

  constructor(operationStepMs = 100) {
    const random = seededRandom(7)
    this.registry = new Registry({ clock: this.clock, random, operationStepMs })
    this.faults = this.registry.faults
    this.#plan = new FaultPlan(this.faults)
    this.account = accountOf(this.registry)
  }

  /** Names of the operations that were sent, in order. */
  get operations(): readonly OperationName[] {
    return this.sent.map(({ name }) => name)
  }

  /** Sends that came within the test of one operation. */
  of(name: OperationName): readonly SentRequest[] {
    return this.sent.filter((request) => request.name === name)
  }

  register(options: Partial<RegisterOptions> & Pick<RegisterOptions, 'services'>): ServiceRegistration {
    const place = { id: 'task-1', ipv4: '10.0.11.42', zone: 'eu-west-1b', region: 'eu-west-1' }
    const settings = registerSettings({ place, clock: this.clock, random: seededRandom(1), ...options })
    return new ServiceRegistration(settings, this)
  }

  async send<Name extends OperationName>(
    name: Name,
    input: InputOf<Name>,
    signal: AbortSignal,
  ): Promise<OutputOf<Name>> {
    this.sent.push({ at: this.clock.now(), name, input: input as unknown as Record<string, unknown> })
    const { answer, delayMs } = this.#plan.of(name)
    if (delayMs > 0) await sleep(this.clock, delayMs, signal)
    if (answer === 'hang') await sleep(this.clock, 86_400_000, signal)
    const { status, body } = handleRequest(this.registry, name, JSON.stringify(input), answer)
    if (answer === 'lose') throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    if (status === 200) return body as OutputOf<Name>
    throw thrownBySdk(body as AwsError)
  }

  async close(): Promise<void> {}
}

/** As the SDK raises it. */
function thrownBySdk({ code, message, status, fields }: AwsError): Error {
  return Object.assign(new Error(message), { name: code, $metadata: { httpStatusCode: status }, ...fields })
}
