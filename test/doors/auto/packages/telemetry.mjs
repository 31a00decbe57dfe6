/** A preload as users of OpenTelemetry have it. It prints the hosts of clients' spans when the process ends. */
import { context, SpanKind } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'

const exporter = new InMemorySpanExporter()
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
for (const instrumentation of [new UndiciInstrumentation(), new HttpInstrumentation()]) {
  instrumentation.setTracerProvider(provider)
  instrumentation.enable()
}
process.on('exit', () => {
  const spans = exporter.getFinishedSpans().filter(({ kind }) => kind === SpanKind.CLIENT)
  console.log(JSON.stringify(spans.map(({ attributes }) => attributes['server.address'])))
})
