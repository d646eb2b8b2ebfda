set -eu
gh api --silent --method PUT repos/octo/camera/actions/permissions/workflow -f default_workflow_permissions=read
gh label create train --description 'trains this pull request on Azure ML' --repo octo/camera --force
gh label create visionline-monitor --description 'opened and closed by the monitor' --repo octo/camera --force
gh variable set VISIONLINE_BRANCHES --repo octo/camera --body branches
gh variable set VISIONLINE_PLATFORM --repo octo/camera --body azureml
MAIN_COMMIT="$(gh api repos/octo/camera/git/ref/heads/main --jq .object.sha)"
gh api --silent --method POST repos/octo/camera/git/refs -f ref=refs/heads/dev -f "sha=$MAIN_COMMIT" || true
gh api --silent --method POST repos/octo/camera/git/refs -f ref=refs/heads/qa -f "sha=$MAIN_COMMIT" || true
gh api --silent --method PUT repos/octo/camera/branches/dev/protection -F 'required_status_checks[strict]=true' -f 'required_status_checks[contexts][]=build-validation' -F 'required_pull_request_reviews[required_approving_review_count]=1' -F 'required_pull_request_reviews[dismiss_stale_reviews]=true' -F enforce_admins=true -F restrictions=null -F allow_force_pushes=false
gh api --silent --method PUT repos/octo/camera/branches/qa/protection -F 'required_status_checks[strict]=false' -f 'required_status_checks[contexts][]=build-validation' -F 'required_pull_request_reviews[required_approving_review_count]=1' -F 'required_pull_request_reviews[dismiss_stale_reviews]=true' -F enforce_admins=true -F restrictions=null -F allow_force_pushes=false
gh api --silent --method PUT repos/octo/camera/branches/main/protection -F 'required_status_checks[strict]=false' -f 'required_status_checks[contexts][]=build-validation' -F 'required_pull_request_reviews[required_approving_review_count]=1' -F 'required_pull_request_reviews[dismiss_stale_reviews]=true' -F enforce_admins=true -F restrictions=null -F allow_force_pushes=false
gh api --silent --method PUT repos/octo/camera/environments/dev -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'
gh api --silent --method POST repos/octo/camera/environments/dev/deployment-branch-policies -f name=main -f type=branch || true
gh api --silent --method POST repos/octo/camera/environments/dev/deployment-branch-policies -f name=dev -f type=branch || true
gh api --silent --method PUT repos/octo/camera/environments/qa -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true' -F prevent_self_review=true -f 'reviewers[][type]=User' -F 'reviewers[][id]=583231' -f 'reviewers[][type]=Team' -F 'reviewers[][id]=12'
gh api --silent --method POST repos/octo/camera/environments/qa/deployment-branch-policies -f name=main -f type=branch || true
gh api --silent --method POST repos/octo/camera/environments/qa/deployment-branch-policies -f name=qa -f type=branch || true
gh api --silent --method PUT repos/octo/camera/environments/production -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true' -F prevent_self_review=true -f 'reviewers[][type]=User' -F 'reviewers[][id]=583231' -f 'reviewers[][type]=Team' -F 'reviewers[][id]=12'
gh api --silent --method POST repos/octo/camera/environments/production/deployment-branch-policies -f name=main -f type=branch || true
gh api --silent --method PUT repos/octo/camera/environments/operations -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'
gh api --silent --method POST repos/octo/camera/environments/operations/deployment-branch-policies -f name=main -f type=branch || true
gh api --silent --method POST repos/octo/camera/environments/operations/deployment-branch-policies -f name=dev -f type=branch || true
gh api --silent --method POST repos/octo/camera/environments/operations/deployment-branch-policies -f name=qa -f type=branch || true
gh api --silent --method PUT repos/octo/camera/environments/plan -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'
gh api --silent --method POST repos/octo/camera/environments/plan/deployment-branch-policies -f name=main -f type=branch || true
gh api --silent --method POST repos/octo/camera/environments/plan/deployment-branch-policies -f 'name=refs/pull/*/merge' -f type=branch || true
gh api --silent --method PUT repos/octo/camera/environments/infra-dev -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true' -F prevent_self_review=true -f 'reviewers[][type]=User' -F 'reviewers[][id]=583231' -f 'reviewers[][type]=Team' -F 'reviewers[][id]=12'
gh api --silent --method POST repos/octo/camera/environments/infra-dev/deployment-branch-policies -f name=main -f type=branch || true
gh api --silent --method PUT repos/octo/camera/environments/infra-qa -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true' -F prevent_self_review=true -f 'reviewers[][type]=User' -F 'reviewers[][id]=583231' -f 'reviewers[][type]=Team' -F 'reviewers[][id]=12'
gh api --silent --method POST repos/octo/camera/environments/infra-qa/deployment-branch-policies -f name=main -f type=branch || true
gh api --silent --method PUT repos/octo/camera/environments/infra-production -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true' -F prevent_self_review=true -f 'reviewers[][type]=User' -F 'reviewers[][id]=583231' -f 'reviewers[][type]=Team' -F 'reviewers[][id]=12'
gh api --silent --method POST repos/octo/camera/environments/infra-production/deployment-branch-policies -f name=main -f type=branch || true
gh api --silent --method PUT repos/octo/camera/environments/pull-requests -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true' -F prevent_self_review=true -f 'reviewers[][type]=User' -F 'reviewers[][id]=583231' -f 'reviewers[][type]=Team' -F 'reviewers[][id]=12'
gh api --silent --method POST repos/octo/camera/environments/pull-requests/deployment-branch-policies -f 'name=refs/pull/*/merge' -f type=branch || true
SUBSCRIPTION_ID="$(az account show --query id --output tsv)"
SUBSCRIPTION_NAME="$(az account show --query name --output tsv)"
TENANT_ID="$(az account show --query tenantId --output tsv)"
DEV_CLIENT_ID="$(az identity show --name id-camera-dev-ci --resource-group rg-camera-dev --subscription "$SUBSCRIPTION_ID" --query clientId --output tsv)"
QA_CLIENT_ID="$(az identity show --name id-camera-qa-ci --resource-group rg-camera-qa --subscription "$SUBSCRIPTION_ID" --query clientId --output tsv)"
PRODUCTION_CLIENT_ID="$(az identity show --name id-camera-production-ci --resource-group rg-camera-production --subscription "$SUBSCRIPTION_ID" --query clientId --output tsv)"
OPERATIONS_CLIENT_ID="$(az identity show --name id-camera-operations --resource-group rg-camera-dev --subscription "$SUBSCRIPTION_ID" --query clientId --output tsv)"
PLAN_CLIENT_ID="$(az identity show --name id-camera-plan --resource-group rg-camera-dev --subscription "$SUBSCRIPTION_ID" --query clientId --output tsv)"
INFRA_DEV_CLIENT_ID="$(az identity show --name id-camera-dev-infra --resource-group rg-camera-dev --subscription "$SUBSCRIPTION_ID" --query clientId --output tsv)"
INFRA_QA_CLIENT_ID="$(az identity show --name id-camera-qa-infra --resource-group rg-camera-qa --subscription "$SUBSCRIPTION_ID" --query clientId --output tsv)"
INFRA_PRODUCTION_CLIENT_ID="$(az identity show --name id-camera-production-infra --resource-group rg-camera-production --subscription "$SUBSCRIPTION_ID" --query clientId --output tsv)"
az identity federated-credential create --name ci --identity-name id-camera-dev-ci --resource-group rg-camera-dev --subscription "$SUBSCRIPTION_ID" --issuer https://token.actions.githubusercontent.com --subject repo:octo/camera:environment:dev --audiences api://AzureADTokenExchange --output none
gh variable set AZURE_CLIENT_ID --repo octo/camera --env dev --body "$DEV_CLIENT_ID"
gh variable set AZURE_TENANT_ID --repo octo/camera --env dev --body "$TENANT_ID"
gh variable set AZURE_SUBSCRIPTION_ID --repo octo/camera --env dev --body "$SUBSCRIPTION_ID"
az identity federated-credential create --name ci --identity-name id-camera-qa-ci --resource-group rg-camera-qa --subscription "$SUBSCRIPTION_ID" --issuer https://token.actions.githubusercontent.com --subject repo:octo/camera:environment:qa --audiences api://AzureADTokenExchange --output none
gh variable set AZURE_CLIENT_ID --repo octo/camera --env qa --body "$QA_CLIENT_ID"
gh variable set AZURE_TENANT_ID --repo octo/camera --env qa --body "$TENANT_ID"
gh variable set AZURE_SUBSCRIPTION_ID --repo octo/camera --env qa --body "$SUBSCRIPTION_ID"
az identity federated-credential create --name ci --identity-name id-camera-production-ci --resource-group rg-camera-production --subscription "$SUBSCRIPTION_ID" --issuer https://token.actions.githubusercontent.com --subject repo:octo/camera:environment:production --audiences api://AzureADTokenExchange --output none
gh variable set AZURE_CLIENT_ID --repo octo/camera --env production --body "$PRODUCTION_CLIENT_ID"
gh variable set AZURE_TENANT_ID --repo octo/camera --env production --body "$TENANT_ID"
gh variable set AZURE_SUBSCRIPTION_ID --repo octo/camera --env production --body "$SUBSCRIPTION_ID"
az identity federated-credential create --name ci --identity-name id-camera-operations --resource-group rg-camera-dev --subscription "$SUBSCRIPTION_ID" --issuer https://token.actions.githubusercontent.com --subject repo:octo/camera:environment:operations --audiences api://AzureADTokenExchange --output none
gh variable set AZURE_CLIENT_ID --repo octo/camera --env operations --body "$OPERATIONS_CLIENT_ID"
gh variable set AZURE_TENANT_ID --repo octo/camera --env operations --body "$TENANT_ID"
gh variable set AZURE_SUBSCRIPTION_ID --repo octo/camera --env operations --body "$SUBSCRIPTION_ID"
az identity federated-credential create --name ci --identity-name id-camera-plan --resource-group rg-camera-dev --subscription "$SUBSCRIPTION_ID" --issuer https://token.actions.githubusercontent.com --subject repo:octo/camera:environment:plan --audiences api://AzureADTokenExchange --output none
gh variable set AZURE_CLIENT_ID --repo octo/camera --env plan --body "$PLAN_CLIENT_ID"
gh variable set AZURE_TENANT_ID --repo octo/camera --env plan --body "$TENANT_ID"
gh variable set AZURE_SUBSCRIPTION_ID --repo octo/camera --env plan --body "$SUBSCRIPTION_ID"
az identity federated-credential create --name ci --identity-name id-camera-dev-infra --resource-group rg-camera-dev --subscription "$SUBSCRIPTION_ID" --issuer https://token.actions.githubusercontent.com --subject repo:octo/camera:environment:infra-dev --audiences api://AzureADTokenExchange --output none
gh variable set AZURE_CLIENT_ID --repo octo/camera --env infra-dev --body "$INFRA_DEV_CLIENT_ID"
gh variable set AZURE_TENANT_ID --repo octo/camera --env infra-dev --body "$TENANT_ID"
gh variable set AZURE_SUBSCRIPTION_ID --repo octo/camera --env infra-dev --body "$SUBSCRIPTION_ID"
az identity federated-credential create --name ci --identity-name id-camera-qa-infra --resource-group rg-camera-qa --subscription "$SUBSCRIPTION_ID" --issuer https://token.actions.githubusercontent.com --subject repo:octo/camera:environment:infra-qa --audiences api://AzureADTokenExchange --output none
gh variable set AZURE_CLIENT_ID --repo octo/camera --env infra-qa --body "$INFRA_QA_CLIENT_ID"
gh variable set AZURE_TENANT_ID --repo octo/camera --env infra-qa --body "$TENANT_ID"
gh variable set AZURE_SUBSCRIPTION_ID --repo octo/camera --env infra-qa --body "$SUBSCRIPTION_ID"
az identity federated-credential create --name ci --identity-name id-camera-production-infra --resource-group rg-camera-production --subscription "$SUBSCRIPTION_ID" --issuer https://token.actions.githubusercontent.com --subject repo:octo/camera:environment:infra-production --audiences api://AzureADTokenExchange --output none
gh variable set AZURE_CLIENT_ID --repo octo/camera --env infra-production --body "$INFRA_PRODUCTION_CLIENT_ID"
gh variable set AZURE_TENANT_ID --repo octo/camera --env infra-production --body "$TENANT_ID"
gh variable set AZURE_SUBSCRIPTION_ID --repo octo/camera --env infra-production --body "$SUBSCRIPTION_ID"
az identity federated-credential create --name pull-requests --identity-name id-camera-dev-ci --resource-group rg-camera-dev --subscription "$SUBSCRIPTION_ID" --issuer https://token.actions.githubusercontent.com --subject repo:octo/camera:environment:pull-requests --audiences api://AzureADTokenExchange --output none
gh variable set AZURE_CLIENT_ID --repo octo/camera --env pull-requests --body "$DEV_CLIENT_ID"
gh variable set AZURE_TENANT_ID --repo octo/camera --env pull-requests --body "$TENANT_ID"
gh variable set AZURE_SUBSCRIPTION_ID --repo octo/camera --env pull-requests --body "$SUBSCRIPTION_ID"
