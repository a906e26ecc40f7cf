-- Describes the columns of the inventory, in the words of waybill-inventory(7).

COMMENT ON COLUMN waybill.container.project_id IS
    'The project of the container. Callers see only the containers of their project. No export contains a row '
    'with NULL.';
COMMENT ON COLUMN waybill.container.container_id IS
    'The ID of the container, unique in its project. Exports are sorted by it in byte order. It must not be NULL.';
COMMENT ON COLUMN waybill.container.enterprise_project_id IS
    'The enterprise project of the container, or 0 if there are none. Only exports of all enterprise projects '
    'contain a row with NULL.';
COMMENT ON COLUMN waybill.container.container_name IS
    'The name of the container.';
COMMENT ON COLUMN waybill.container.image_name IS
    'The image of the container, for example nginx:1.25.';
COMMENT ON COLUMN waybill.container.pod_name IS
    'The pod of the container. NULL means that it does not belong to a pod.';
COMMENT ON COLUMN waybill.container.cluster_name IS
    'The cluster of the container. NULL means that it does not belong to a cluster.';
COMMENT ON COLUMN waybill.container.cluster_type IS
    'The type of the cluster: cce, ali, tencent, azure, aws, self_built_hw, self_built_idc or k8s. No filter '
    'selects k8s.';
COMMENT ON COLUMN waybill.container.status IS
    'The status of the container: Running, Waiting, Terminated, Isolated or Paused.';
COMMENT ON COLUMN waybill.container.cluster_container IS
    'Whether the container belongs to a cluster. Requests can filter by it, but files do not contain it.';
COMMENT ON COLUMN waybill.container.risky IS
    'Whether the container has security risks.';
COMMENT ON COLUMN waybill.container.low_risk IS
    'The number of low risks.';
COMMENT ON COLUMN waybill.container.medium_risk IS
    'The number of medium risks.';
COMMENT ON COLUMN waybill.container.high_risk IS
    'The number of high risks.';
COMMENT ON COLUMN waybill.container.fatal_risk IS
    'The number of fatal risks.';
COMMENT ON COLUMN waybill.container.restart_count IS
    'How often the container was restarted.';
COMMENT ON COLUMN waybill.container.create_time IS
    'When the container was created. Files contain it with milliseconds.';
COMMENT ON COLUMN waybill.container.cpu_limit IS
    'The CPU limit, a quantity such as 500m or 0.5. NULL means that there is no limit.';
COMMENT ON COLUMN waybill.container.memory_limit IS
    'The memory limit, a quantity such as 512Mi or 1Gi. NULL means that there is no limit.';
