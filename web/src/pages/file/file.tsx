import { useEffect } from 'preact/hooks'
import type { UploadDetail } from '../../api.ts'
import { Empty } from '../../parts/empty.tsx'
import { Loading } from '../../parts/loading.tsx'
import { ErrorNotice, Notice } from '../../parts/notice.tsx'
import { PageHead } from '../../parts/page-head.tsx'
import { StatusBadge } from '../../parts/status-badge.tsx'
import { hrefTo } from '../../router.ts'
import { chooseDomain } from '../../session.ts'
import { Actions } from './actions.tsx'
import { Facts, Metadata } from './facts.tsx'
import { History } from './history.tsx'
import { Preview } from './preview.tsx'
import { Steps } from './steps.tsx'
import { useFile } from './use-file.ts'
import { Variants } from './variants.tsx'
import './file.css'

/** Everything about one upload, as it changes. */
export function FilePage({ domain, id }: { domain: string; id: string }) {
  useEffect(() => chooseDomain(domain), [domain])
  const { upload, history, isDeleted, error } = useFile(domain, id)
  const back = { href: hrefTo(['files', domain]), label: 'Files' }
  if (isDeleted) {
    return (
      <div class="stack">
        <PageHead title="Deleted" back={back} />
        <Empty title="This file has been deleted">
          <p>It will not come back.</p>
        </Empty>
      </div>
    )
  }
  if (!upload) {
    return (
      <div class="stack">
        <PageHead title="File" back={back} />
        {error ? <ErrorNotice error={error} /> : <Loading what="the file" />}
      </div>
    )
  }
  return (
    <div class="stack">
      <PageHead title={upload.filename} back={back} about={<StatusBadge id={id} status={upload.status} />}>
        <Actions upload={upload} />
      </PageHead>
      <ErrorNotice error={error} />
      <Failure upload={upload} />
      <div class="file-columns">
        <div class="stack">
          <Preview upload={upload} />
          <Steps upload={upload} />
          <Variants upload={upload} />
        </div>
        <div class="stack">
          <Facts upload={upload} />
          <Metadata metadata={upload.metadata} />
          <History events={history} />
        </div>
      </div>
    </div>
  )
}

function Failure({ upload: { status, failure } }: { upload: UploadDetail }) {
  if (!failure) return null
  const willBeTriedAgain = status === 'pending' || status === 'processing'
  return (
    <Notice look={willBeTriedAgain ? 'warn' : 'bad'}>
      <span>
        {willBeTriedAgain && 'It is tried again. The attempt before: '}
        {failure.detail} <code>{failure.code}</code>
      </span>
    </Notice>
  )
}
