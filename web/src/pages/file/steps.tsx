import type { Step, UploadDetail } from '../../api.ts'
import { liveProgress } from '../../live.ts'
import { formatDuration } from '../../parts/sizes.ts'

const words: Record<Step['status'], { look: string; label: string }> = {
  waiting: { look: '', label: 'Waiting' },
  running: { look: 'busy', label: 'Running' },
  complete: { look: 'good', label: 'Done' },
  refused: { look: 'bad', label: 'Refused' },
}

/** What the file goes through, with how long each step took and what it found. */
export function Steps({ upload: { id, steps } }: { upload: UploadDetail }) {
  const live = liveProgress.value.get(id)
  return (
    <section class="panel" aria-labelledby="steps">
      <div class="panel-head">
        <h2 id="steps">Steps</h2>
      </div>
      {steps.length === 0 && <p class="panel-body soft">This domain does nothing more with its files.</p>}
      <ol class="steps">
        {steps.map((step) => (
          <li key={step.name} class="step">
            <div class="row spread">
              <h3>{step.name}</h3>
              <span class="row">
                {step.durationMs !== null && <span class="soft small numeric">{formatDuration(step.durationMs)}</span>}
                <span class={`badge ${words[step.status].look}`}>{words[step.status].label}</span>
              </span>
            </div>
            <StepProgress
              name={step.name}
              progress={live?.step === step.name ? live.progress : step.progress}
              step={step}
            />
            {step.result && Object.keys(step.result).length > 0 && (
              <details class="step-result">
                <summary>What it found</summary>
                <pre>{JSON.stringify(step.result, null, 2)}</pre>
              </details>
            )}
          </li>
        ))}
      </ol>
    </section>
  )
}

function StepProgress({ name, progress, step }: { name: string; progress: number | null; step: Step }) {
  if (step.status !== 'running' || progress === null) return null
  return <progress class="progress" value={progress} max={1} aria-label={`Progress of ${name}`} />
}
