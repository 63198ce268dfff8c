# Read by postBuild and by start, so that both mean the same server: not below $HOME, where a hub may mount a disk.
export PGVEC_HOME="${PGVEC_HOME:-${NB_PYTHON_PREFIX:-${CONDA_DIR:-$HOME/.local}}/var/pgvec_magic}"
