import { useEffect } from 'preact/hooks'
import { isLive } from '../../live.ts'
import { Button } from '../../parts/button.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Loading } from '../../parts/loading.tsx'
import { ErrorNotice } from '../../parts/notice.tsx'
import { PageHead } from '../../parts/page-head.tsx'
import { place } from '../../router.ts'
import { chooseDomain, mayDo } from '../../session.ts'
import { FileGrid } from './file-grid.tsx'
import { FileTable } from './file-table.tsx'
import { type Filter, isFiltered, readFilter } from './filter.ts'
import { Filters } from './filters.tsx'
import { UploadPanel } from './upload-panel.tsx'
import { useFiles } from './use-files.ts'
import './files.css'

/** A domain's files as they come in, and where new ones are sent from. */
export function Files({ domain }: { domain: string }) {
  useEffect(() => chooseDomain(domain), [domain])
  return (
    <div class="stack">
      <PageHead title="Files" about={mayDo('read') ? <LiveSign /> : undefined} />
      {mayDo('upload') && <UploadPanel domain={domain} />}
      {mayDo('read') ? (
        <FileList domain={domain} filter={readFilter(place.value)} />
      ) : (
        <Empty title="This key does not read">
          <p>
            {mayDo('upload') && 'It may upload. '}To see what there is, sign in with a key that has the scope “read”.
          </p>
        </Empty>
      )}
    </div>
  )
}

/** Whether what is shown follows what happens. */
function LiveSign() {
  return <span class={`live-sign ${isLive.value ? 'on' : ''}`}>{isLive.value ? 'Live' : 'Connecting …'}</span>
}

function FileList({ domain, filter }: { domain: string; filter: Filter }) {
  const { uploads, error, hasMore, isLoadingMore, loadMore } = useFiles(domain, filter)
  return (
    <section class="panel" aria-label="Files">
      <div class="panel-head">
        <Filters domain={domain} filter={filter} />
      </div>
      {error ? (
        <div class="panel-body">
          <ErrorNotice error={error} />
        </div>
      ) : null}
      {uploads === undefined && !error && <Loading what="files" />}
      {uploads?.length === 0 && <NoFiles isFiltered={isFiltered(filter)} />}
      {uploads &&
        uploads.length > 0 &&
        (filter.view === 'grid' ? <FileGrid uploads={uploads} /> : <FileTable uploads={uploads} />)}
      {hasMore && (
        <div class="files-more">
          <Button onClick={loadMore} disabled={isLoadingMore}>
            {isLoadingMore ? 'Loading …' : 'Show more'}
          </Button>
        </div>
      )}
    </section>
  )
}

function NoFiles({ isFiltered }: { isFiltered: boolean }) {
  return isFiltered ? (
    <Empty title="No file is like that">
      <p>Choose another status, type or time.</p>
    </Empty>
  ) : (
    <Empty title="There are no files yet">
      <p>Drop some on this page, and watch them come in.</p>
    </Empty>
  )
}
